"""AccessService: messages in, messages out, and who may ask for what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from time import monotonic

import pytest
from google.protobuf.struct_pb2 import Struct

from a2a_node.access.frozen import Freezing
from a2a_node.access.switch import Switch
from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import InvalidInput, PageTokenInvalid, PermissionDenied
from a2a_node.model.nodes import Node
from a2a_node.model.principal import Principal
from a2a_node.services.access import AccessService
from a2a_node.testing import MemoryFreezes
from a2a_node.wire.agents import duration
from a2amesh.v1 import access_pb2
from a2amesh.v1 import access_service_pb2 as pb
from tests.unit.access.mesh import DEV, Mesh, meshed

INVOKE = "agent:echo:invoke"
ANN = Principal("person", "ann")
NOBODY = "00000000-0000-4000-8000-000000000000"


class Nobody:
    """A directory without nodes."""

    def nodes(self) -> Sequence[Node]:
        """None."""
        return ()


@pytest.fixture
async def mesh() -> AsyncIterator[Mesh]:
    """A mesh in which nothing is granted yet."""
    async with meshed() as opened:
        yield opened


@pytest.fixture
async def service(mesh: Mesh) -> AsyncIterator[AccessService]:
    """The service over it."""
    freezes = MemoryFreezes()
    async with Freezing.freezes_of(freezes) as freezing:
        switch = Switch("n1", freezes, freezing, Nobody())
        yield AccessService(mesh.store, mesh.granting, mesh.decisions, mesh.issuing, switch)


def by(principal: Principal, scopes: tuple[str, ...] | None = None, *, at_work: bool = False) -> Call:
    """A call of somebody, by a key with these scopes."""

    async def nothing(_: Call) -> None:
        """It is done elsewhere."""

    call = Call(method="/m", rest=nothing, principal=principal, scopes=scopes)
    authority = (DEV, Principal("agent", "crowd")) if at_work else ()
    call.envelope = Envelope(monotonic() + 60, 60.0, authority=authority)
    return call


async def test_a_grant_goes_round_whole(service: AccessService) -> None:
    """What was asked for is what is answered, listed, and revoked."""
    request = pb.GrantRequest(
        granted_to="person:ann",
        permission="agent:*:invoke",
        delegable=True,
        ttl=duration(60),
        conditions=["uses < 5"],
    )
    grant = (await service.grant(request, by(DEV))).grant
    assert (grant.granted_by, grant.granted_to, grant.depth) == ("person:dev", "person:ann", 1)
    assert grant.expire_time.ToSeconds() - grant.grant_time.ToSeconds() == 60
    listed = await service.list_grants(pb.ListGrantsRequest(permission=INVOKE), by(DEV))
    assert list(listed.grants) == [grant]
    revoked = await service.revoke(pb.RevokeRequest(grant_id=grant.grant_id), by(DEV))
    assert (revoked.grant.revoked, revoked.revoked_grants) == (True, 1)
    assert revoked.grant.HasField("revoke_time")
    again = await service.revoke(pb.RevokeRequest(grant_id=grant.grant_id), by(DEV))
    assert again.revoked_grants == 0


async def test_an_agent_at_work_gives_nothing_away(service: AccessService, mesh: Mesh) -> None:
    """Neither what its caller has nor what its own key has; it asks for nothing in their names either."""
    grant = await mesh.give("person:dev", "person:ann", INVOKE)
    for refused in (
        service.grant(pb.GrantRequest(granted_to="person:eve", permission=INVOKE), by(DEV, at_work=True)),
        service.revoke(pb.RevokeRequest(grant_id=grant.id), by(DEV, at_work=True)),
        service.request_permission(
            pb.RequestPermissionRequest(permission=INVOKE, justification="x"), by(DEV, at_work=True)
        ),
    ):
        with pytest.raises(PermissionDenied, match="leave the call token out"):
            await refused


async def test_everybody_may_ask_about_themselves(service: AccessService, mesh: Mesh) -> None:
    """What their key comes to, and why; about others with a permission of its own."""
    request = pb.CheckPermissionRequest(permission=INVOKE)
    answer = await service.check_permission(request, by(ANN))
    assert (answer.allowed, answer.grant_id) == (False, "")
    assert "person:ann" in answer.explanation
    grant = await mesh.give("person:dev", "person:ann", INVOKE)
    answer = await service.check_permission(request, by(ANN))
    assert (answer.allowed, answer.grant_id) == (True, grant.id)
    assert not (await service.check_permission(request, by(ANN, ("cache:read",)))).allowed
    other = pb.CheckPermissionRequest(permission=INVOKE, principal="person:ann", acting_for=["person:dev"])
    with pytest.raises(PermissionDenied, match="access:check"):
        await service.check_permission(other, by(Principal("person", "bob")))
    await mesh.give("person:dev", "person:bob", "access:check")
    assert (await service.check_permission(other, by(Principal("person", "bob")))).allowed
    assert (await service.check_permission(request, by(DEV))).explanation == "no grant is needed for it"


async def test_a_question_counts_no_use_and_brings_its_context(service: AccessService, mesh: Mesh) -> None:
    """The same answer however often it is asked."""
    conditions = ("uses < 1", "context.project == 'atlas' && call.agent == 'echo'")
    grant = await mesh.give("person:dev", "person:ann", INVOKE, conditions=conditions)
    context = Struct()
    context.update({"project": "atlas"})
    for _ in range(3):
        request = pb.CheckPermissionRequest(permission=INVOKE, context=context)
        assert (await service.check_permission(request, by(ANN))).allowed
    assert not (await service.check_permission(pb.CheckPermissionRequest(permission=INVOKE), by(ANN))).allowed
    assert (await mesh.store.find(grant.id)).uses == 0


async def test_bad_questions_are_refused_by_field(service: AccessService) -> None:
    """Wildcards, strangers, too many of them, too much context."""
    large = Struct()
    large.update({"l": list(range(200))})
    for field, request in (
        ("permission", pb.CheckPermissionRequest()),
        ("permission", pb.CheckPermissionRequest(permission="agent:*:invoke")),
        ("principal", pb.CheckPermissionRequest(permission=INVOKE, principal="ann")),
        ("acting_for[1]", pb.CheckPermissionRequest(permission=INVOKE, acting_for=["person:a", "b"])),
        ("acting_for", pb.CheckPermissionRequest(permission=INVOKE, acting_for=["person:a"] * 17)),
        ("context", pb.CheckPermissionRequest(permission=INVOKE, context=large)),
    ):
        with pytest.raises(InvalidInput) as refused:
            await service.check_permission(request, by(DEV))
        assert refused.value.violations[0][0] == field


async def test_a_permission_is_asked_for_in_the_callers_own_name(service: AccessService) -> None:
    """And decided by those who can give it."""
    request = pb.RequestPermissionRequest(permission=INVOKE, justification="to say hello", ttl=duration(60))
    asked = (await service.request_permission(request, by(ANN))).request
    assert (asked.requester, asked.status) == ("person:ann", access_pb2.PERMISSION_REQUEST_STATUS_PENDING)
    assert asked.ttl.seconds == 60
    decision = pb.DecideRequestRequest(
        request_id=asked.request_id,
        decision=pb.PERMISSION_DECISION_APPROVE,
        comment="welcome",
        ttl=duration(30),
        conditions=["uses < 3"],
    )
    answer = await service.decide_request(decision, by(DEV))
    assert answer.request.status == access_pb2.PERMISSION_REQUEST_STATUS_APPROVED
    assert answer.request.grant_id == answer.grant.grant_id
    assert list(answer.grant.conditions) == ["uses < 3"]
    assert answer.grant.expire_time.ToSeconds() - answer.grant.grant_time.ToSeconds() == 30
    other = (await service.request_permission(request, by(Principal("person", "bob")))).request
    denial = pb.DecideRequestRequest(request_id=other.request_id, decision=pb.PERMISSION_DECISION_DENY)
    denied = await service.decide_request(denial, by(DEV))
    assert denied.request.status == access_pb2.PERMISSION_REQUEST_STATUS_DENIED
    assert not denied.HasField("grant")


async def test_a_request_without_reason_or_decision_is_refused(service: AccessService) -> None:
    """Both must be said."""
    with pytest.raises(InvalidInput, match="justification"):
        await service.request_permission(pb.RequestPermissionRequest(permission=INVOKE), by(ANN))
    with pytest.raises(InvalidInput, match="decision"):
        await service.decide_request(pb.DecideRequestRequest(request_id=NOBODY), by(DEV))
    with pytest.raises(InvalidInput, match="request_id"):
        await service.decide_request(pb.DecideRequestRequest(request_id="x"), by(DEV))


async def test_lists_page_and_filter(service: AccessService, mesh: Mesh) -> None:
    """A token is good for the same filters alone."""
    for number in range(5):
        await mesh.give("person:dev", f"person:p{number}", INVOKE)
        await mesh.store.ask(f"person:p{number}", INVOKE, "why not", None)
        mesh.clock.advance(1)
    names, token = [], ""
    while True:
        page = await service.list_grants(pb.ListGrantsRequest(page_size=2, page_token=token), by(DEV))
        names += [grant.granted_to for grant in page.grants]
        token = page.next_page_token
        if not token:
            break
    assert names == [f"person:p{number}" for number in (4, 3, 2, 1, 0)]
    first = await service.list_requests(pb.ListRequestsRequest(page_size=4), by(DEV))
    rest = await service.list_requests(pb.ListRequestsRequest(page_token=first.next_page_token), by(DEV))
    assert [len(first.requests), len(rest.requests), rest.next_page_token] == [4, 1, ""]
    with pytest.raises(PageTokenInvalid):
        await service.list_requests(
            pb.ListRequestsRequest(page_token=first.next_page_token, requester="person:p1"), by(DEV)
        )
    for field, request in (
        ("granted_to", pb.ListGrantsRequest(granted_to="ann")),
        ("granted_by", pb.ListGrantsRequest(granted_by="ann")),
        ("permission", pb.ListGrantsRequest(permission="x")),
        ("parent_grant_id", pb.ListGrantsRequest(parent_grant_id="x")),
    ):
        with pytest.raises(InvalidInput, match=field):
            await service.list_grants(request, by(DEV))
    with pytest.raises(InvalidInput, match="status"):
        await service.list_requests(pb.ListRequestsRequest(status=99), by(DEV))  # type: ignore[arg-type]
