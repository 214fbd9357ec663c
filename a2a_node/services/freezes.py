"""The RPCs of AccessService that are about freezes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from a2a_node.access.switch import Switch
from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput
from a2a_node.model.freezes import NewFreeze, Progress
from a2a_node.model.names import checked_text, checked_uuid
from a2a_node.model.pages import after_token, page_size, page_token
from a2a_node.services.fields import checked_span, mark, marked
from a2a_node.wire.freezes import from_freeze, to_target
from a2amesh.v1 import access_service_pb2 as pb

LEAST_TTL, MOST_TTL = 0.001, 100 * 366 * 86_400.0  # seconds
USUAL_WAIT, LONGEST_WAIT = 2.0, 30.0  # seconds
REASON = 500  # characters


class FreezeRpcs:
    """Freezes; `switch` throws and lifts them."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    async def freeze(self, request: pb.FreezeRequest, call: Call) -> pb.FreezeResponse:
        """Stop an agent, a principal or a call tree."""
        if not request.reason:
            raise InvalidInput("reason", "is required")
        new = NewFreeze(
            to_target(request.target),
            checked_text("reason", request.reason, REASON),
            str(call.principal),
            checked_span("ttl", request.ttl, LEAST_TTL, MOST_TTL) if request.HasField("ttl") else None,
        )
        wait = checked_span("wait", request.wait, 0.0, LONGEST_WAIT) if request.HasField("wait") else USUAL_WAIT
        freeze, confirmed = await self._switch.throw(new, wait)
        return pb.FreezeResponse(freeze=from_freeze(freeze, confirmed, self._switch.living()))

    async def unfreeze(self, request: pb.UnfreezeRequest, call: Call) -> pb.UnfreezeResponse:
        """Lift a freeze."""
        freeze_id = checked_uuid("freeze_id", request.freeze_id)
        freeze, confirmed = await self._switch.lift(freeze_id, str(call.principal))
        return pb.UnfreezeResponse(freeze=from_freeze(freeze, confirmed))

    async def list_freezes(self, request: pb.ListFreezesRequest, _: Call) -> pb.ListFreezesResponse:
        """The freezes that fit the filters, the newest first."""
        target = to_target(request.target) if request.HasField("target") else None
        size, scope = page_size(request.page_size), repr(("freezes", target, request.include_lifted))
        after = marked(after_token(scope, request.page_token))
        found = await self._switch.store.list(target, after, size + 1, lifted=request.include_lifted)
        page = found[:size]
        confirmed = by_freeze(await self._switch.store.progress([freeze.id for freeze in page]) if page else ())
        living = self._switch.living()
        return pb.ListFreezesResponse(
            freezes=[
                from_freeze(freeze, confirmed.get(freeze.id, ()), () if freeze.lifted_at else living) for freeze in page
            ],
            next_page_token=page_token(scope, mark(page[-1].created_at, page[-1].id)) if len(found) > size else "",
        )


def by_freeze(progress: Sequence[Progress]) -> Mapping[str, Sequence[Progress]]:
    """What was confirmed, by freeze."""
    found: dict[str, list[Progress]] = {}
    for one in progress:
        found.setdefault(one.freeze, []).append(one)
    return found
