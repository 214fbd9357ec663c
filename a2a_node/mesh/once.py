"""Work that is done once: calls with an idempotency key, and capabilities that are answered from the shared cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic

import structlog

from a2a_node.model.call import Call, Layer, Once, Proceed
from a2a_node.model.errors import IdempotencyKeyReused, MeshError, StoreUnavailable
from a2a_node.model.outcome_ports import Claim, Outcomes
from a2a_node.model.payload import Payload
from a2a_node.model.state import Outcome

log = structlog.get_logger()
Keeps = Callable[[Claim, Outcome, float], Awaitable[None]]
RETENTION = 3600.0  # seconds that an outcome is kept under an idempotency key


@dataclass(slots=True)
class Lookups:
    """How often calls of cached capabilities were answered without an agent's work, and how often not."""

    hits: int = 0
    misses: int = 0


def idempotent(outcomes: Outcomes) -> Layer:
    """The layer for unary calls with an idempotency key: the first outcome answers them all.

    IdempotencyKeyReused when the key comes again with another request.

    Without the store the promise cannot be kept, so that such a call is refused with StoreUnavailable.
    """

    def layer(call: Call, proceed: Proceed) -> Awaitable[None]:
        return claimed(call, proceed) if call.idempotency_key and call.unary else proceed(call)

    async def claimed(call: Call, proceed: Proceed) -> None:
        payload = await only(call)
        try:
            async with outcomes.claim(f"key:{key_of(call)}", digest(payload), patience(call)) as claim:
                await _answer(call, proceed, claim, RETENTION, _kept_exactly)
        except IdempotencyKeyReused:
            raise IdempotencyKeyReused(call.idempotency_key) from None

    return layer


def cached(outcomes: Outcomes, lookups: Lookups) -> Layer:
    """The layer for capabilities with a cache time: equal input is answered by one agent call, mesh-wide.

    Without the store every call goes to an agent. What comes of each is counted in `lookups`.
    """

    def layer(call: Call, proceed: Proceed) -> Awaitable[None]:
        ttl = call.offered.cache_ttl if call.offered is not None and call.unary else 0.0
        return looked_up(call, ttl, proceed) if ttl else proceed(call)

    async def looked_up(call: Call, ttl: float, proceed: Proceed) -> None:
        mark = digest(await only(call))
        key = f"cache:{_hashed(call.agent, call.version, call.capability, mark)}"
        entered = False
        try:
            async with outcomes.claim(key, mark, patience(call), exclusive=False) as claim:
                entered = True
                lookups.misses += claim.outcome is None
                lookups.hits += claim.outcome is not None
                await _answer(call, proceed, claim, ttl, _kept_if_possible)
        except StoreUnavailable:
            if entered:
                raise
            lookups.misses += 1
            await proceed(call)

    return layer


async def _kept_exactly(claim: Claim, outcome: Outcome, ttl: float) -> None:
    """Keep it, or fail the call: whoever repeats it relies on that."""
    await claim.settle(outcome, ttl)


async def _kept_if_possible(claim: Claim, outcome: Outcome, ttl: float) -> None:
    """Keep it; a cache that is away meanwhile does not spoil the answer."""
    try:
        await claim.settle(outcome, ttl)
    except StoreUnavailable as error:
        log.warning("answer not cached", reason=error.message)


async def _answer(call: Call, proceed: Proceed, claim: Claim, ttl: float, kept: Keeps) -> None:
    """Answer from what was kept, or work and keep what comes of it; a refusal only where it must be repeated."""
    if claim.outcome is not None:
        await _replay(call, claim.outcome)
        return
    said: list[Payload] = []
    reply = call.reply

    async def keeping(payload: Payload) -> None:
        said.append(payload)
        await reply(payload)

    call.reply = keeping
    try:
        await proceed(call)
    except MeshError as error:
        if kept is _kept_exactly and final(error):
            await claim.settle(Outcome(error=error), ttl)
        raise
    if len(said) == 1:
        await kept(claim, Outcome(output=said[0]), ttl)


async def _replay(call: Call, outcome: Outcome) -> None:
    call.replayed = True
    if outcome.error is not None:
        raise outcome.error
    if outcome.output is not None:
        await call.reply(outcome.output)


def key_of(call: Call) -> str:
    """Under what is kept that a call with an idempotency key was made: keys are its principal's own."""
    return f"{call.principal}:{_hashed(call.agent, call.capability, call.idempotency_key)}"


async def only(call: Call) -> Payload:
    """The call's one input, which is still there for whoever reads it next."""
    payload = await anext(call.requests)
    call.requests = Once(payload)
    return payload


def final(error: MeshError) -> bool:
    """Whether another try would end the same way."""
    return not error.retryable and error.code not in ("CANCELLED", "DEADLINE_EXCEEDED")


def patience(call: Call) -> float:
    """Seconds that it may wait for others."""
    return call.envelope.time_left(monotonic()) if call.envelope else 0.0


def digest(payload: Payload) -> str:
    """Equal for equal input: objects by their content, whatever the order of their keys."""
    body = payload.body
    if isinstance(body, bytes):
        raw = b"bytes " + body
    elif isinstance(body, str):
        raw = b"text " + body.encode()
    else:
        raw = b"object " + json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(payload.media_type.encode() + b"\0" + raw).hexdigest()


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
