"""The auth layer: nobody unknown goes further."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from a2a_node.access.credentials import KnownKeys
from a2a_node.model.call import Call
from a2a_node.model.errors import TooManyWrongKeys, Unauthenticated
from a2a_node.model.principal import Principal
from a2a_node.pipeline.auth import Auth, Gate, auth, open_methods
from a2a_node.pipeline.wrong_keys import Manners, WrongKeys
from tests.unit.access.keys_house import House, housed

DEV = Principal("person", "dev")
LAYER = auth(KnownKeys({"a2a_dev_secret": DEV}))
INVOKE, STREAM = "/a2amesh.v1.AgentService/Invoke", "/a2amesh.v1.AgentService/InvokeStream"


async def done(_: Call) -> None:
    """Nothing more to do."""


async def for_ever(_: Call) -> None:
    """A stream that does not end by itself."""
    await asyncio.Event().wait()


def call(method: str, authorization: str | None, **more: object) -> Call:
    """A call as it arrives."""
    metadata = {} if authorization is None else {"authorization": authorization}
    made = Call(method=method, rest=done, metadata=metadata, agent="echo", unary=method == INVOKE)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def certified(*names: str, door: str = "", authorization: str | None = None, **more: object) -> Call:
    """A call over a connection with a certificate."""
    return call(INVOKE, authorization, door=door, identities_of=lambda: names, **more)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Nobody but the developer has a key."""
    async with housed(tmp_path) as opened:
        yield opened


async def test_a_good_key_says_who_is_calling() -> None:
    """Whatever the case of the scheme."""
    for scheme in ("Bearer", "bearer"):
        seen = call(INVOKE, f"{scheme} a2a_dev_secret")
        await LAYER(seen, done)
        assert seen.principal == DEV


@pytest.mark.parametrize("sent", [None, "", "Bearer", "Bearer ", "Basic x", "a2a_dev_secret", "Bearer a2a_dev_secreT"])
async def test_anything_else_is_refused_and_never_repeated(sent: str | None) -> None:
    """The message says what to send and holds nothing of what was sent."""
    with pytest.raises(Unauthenticated) as refused:
        await LAYER(call(INVOKE, sent), done)
    assert "secre" not in refused.value.message


async def test_health_and_reflection_need_no_key_and_channelz_does() -> None:
    """A probe and `grpcurl list` work without one."""
    await LAYER(call("/grpc.health.v1.Health/Check", None), done)
    await LAYER(call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", None), done)
    with pytest.raises(Unauthenticated):
        await LAYER(call("/grpc.channelz.v1.Channelz/GetServers", None), done)


async def test_reflection_may_need_a_key_and_health_never_does() -> None:
    """Where others than this machine could ask."""
    layer = auth(KnownKeys({"a2a_dev_secret": DEV}), Gate(tuple(open_methods(reflection=False))))
    reflect = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    await layer(call("/grpc.health.v1.Health/Check", None), done)
    with pytest.raises(Unauthenticated):
        await layer(call(reflect, None), done)
    await layer(call(reflect, "Bearer a2a_dev_secret"), done)


async def test_a_call_from_inside_keeps_its_principal() -> None:
    """The node itself has proven it."""
    seen = call(INVOKE, None)
    seen.principal = Principal("node", "n1")
    await LAYER(seen, done)
    assert seen.principal.name == "n1"


async def test_a_certificate_counts_where_nothing_is_sent() -> None:
    """What is sent goes before it, be it wrong."""
    seen = certified("spiffe://a2a.local/person/ann")
    await LAYER(seen, done)
    assert str(seen.principal) == "person:ann"
    seen = certified("spiffe://a2a.local/person/ann", authorization="Bearer a2a_dev_secret")
    await LAYER(seen, done)
    assert seen.principal == DEV
    with pytest.raises(Unauthenticated):
        await LAYER(certified("spiffe://a2a.local/person/ann", authorization="Bearer wrong"), done)
    with pytest.raises(Unauthenticated):
        await LAYER(certified("spiffe://elsewhere/person/ann"), done)


async def test_at_the_door_of_nodes_the_certificate_alone_counts() -> None:
    """And it has to be a node's; what that node has sealed says by itself who makes the call."""
    seen = certified("spiffe://a2a.local/node/n2", door="peers", authorization="Bearer a2a_dev_secret")
    await LAYER(seen, done)
    assert str(seen.principal) == "node:n2"
    for names in ((), ("spiffe://a2a.local/person/ann",), ("spiffe://elsewhere/node/n2",)):
        with pytest.raises(Unauthenticated):
            await LAYER(certified(*names, door="peers", authorization="Bearer a2a_dev_secret"), done)
    ann = Principal("person", "ann")
    sealed = certified("spiffe://a2a.local/node/n2", door="peers", principal=ann, carrier="n2")
    await LAYER(sealed, done)
    assert sealed.principal == ann


async def test_a_stream_ends_with_the_key_that_opened_it(house: House) -> None:
    """Revoked, or over; others go on, and so does what needs no key that could end."""
    layer = Auth(house.credentials, Gate())
    house.keyring.listen(layer.recheck)
    (key, text), (_, short), (_, other) = await house.key(), await house.key(ttl=0.05), await house.key()
    streams = [
        asyncio.ensure_future(layer.check(call(STREAM, f"Bearer {one}"), for_ever)) for one in (text, short, other)
    ]
    with pytest.raises(Unauthenticated, match="expired"):
        await streams[1]
    await house.end(key)
    with pytest.raises(Unauthenticated, match="revoked"):
        await streams[0]
    assert not streams[2].done()
    streams[2].cancel()
    with pytest.raises(asyncio.CancelledError):
        await streams[2]


async def test_a_good_key_is_served_whoever_shares_its_address(house: House) -> None:
    """However many wrong ones came from there; the wrong ones wait, or are turned away unseen."""
    wrong_keys = WrongKeys(Manners(burst=2, rate=0.0, wait=0.001, waiting_each=1))
    layer = Auth(house.credentials, Gate(wrong_keys=wrong_keys))
    _, text = await house.key()
    for number in range(10):
        with pytest.raises(Unauthenticated):
            await layer.check(call(INVOKE, f"Bearer a2a_x{number}_y"), done)
        await layer.check(call(INVOKE, f"Bearer {text}"), done)
    outcomes = await asyncio.gather(
        *(layer.check(call(INVOKE, f"Bearer a2a_x{number}_y"), done) for number in range(5)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {Unauthenticated, TooManyWrongKeys}
