"""Seals: what one node hands on to another is believed once, there alone, for a while, and only as it was sealed."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope, Handed, Stamp
from a2a_node.model.errors import EnvelopeInvalid, InternalError
from a2a_node.model.principal import Principal
from a2a_node.testing import OneSecret
from a2a_node.wire.envelopes import ALIKE, Beginnings, from_handed, margined, to_handed
from a2a_node.wire.seals import HEAD, LARGEST, MAC_BYTES, WINDOW, Seals

ANN, CROWD = Principal("person", "ann"), Principal("agent", "crowd")
NOW = 1_000_000.0  # by the store's clock
ENVELOPE = Envelope(
    deadline=60.0,
    allowance=30.0,
    path=("crowd", "echo"),
    parent="p1",
    root="r1",
    authority=(ANN, CROWD),
    id="c1",
    scopes=(("agent:*:invoke",), ()),
    budget={"calls": 2, "tokens": 500},
)


class Time:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        """The store's time."""
        return self.now


async def done(_: Call) -> None:
    """Nothing more to do."""


def call(envelope: Envelope | None = ENVELOPE, agent: str = "echo") -> Call:
    """A call that the layers of its node let through."""
    made = Call(method="/m", rest=done, id="c1", agent=agent, capability="say", idempotency_key="k")
    made.principal, made.scopes, made.envelope = CROWD, ("agent:echo:invoke",), envelope
    return made


def pair(time: Time | None = None) -> tuple[Seals, Seals]:
    """Two nodes of one mesh, which began a second ago."""
    time = time or Time()
    secrets = OneSecret(time)
    time.now -= 1
    nodes = Seals("one", secrets, lambda: 10.0), Seals("two", secrets, lambda: 500.0)
    time.now += 1
    return nodes


def refused(opening: Callable[[], object]) -> str:
    """Why it is refused."""
    with pytest.raises(EnvelopeInvalid) as failure:
        opening()
    assert failure.value.code == "UNAUTHENTICATED"
    return failure.value.variables["problem"]


def test_what_is_handed_on_arrives_as_it_was() -> None:
    """Who asks, in whose name, on which path and within what; the time left is a little less, on the other's clock."""
    one, two = pair()
    handed, issuer = two.opened(one.sealed(call(), "two"), call())
    left = margined(50.0)
    assert issuer == "one"
    assert handed.envelope.deadline == pytest.approx(500.0 + left)
    assert handed.envelope._replace(deadline=0, allowance=0) == ENVELOPE._replace(deadline=0, allowance=0)
    assert (handed.principal, handed.scopes) == (CROWD, ("agent:echo:invoke",))
    assert (handed.agent, handed.capability, handed.idempotency_key) == ("echo", "say", "k")


def test_a_root_call_has_no_authority_but_its_own() -> None:
    """And neither scopes nor a budget where none were given."""
    one, two = pair()
    root = Envelope(40.0, 30.0, path=("echo",), root="c1", id="c1")
    said = call(root)
    said.scopes, said.principal = None, ANN
    handed, _ = two.opened(one.sealed(said, "two"), call(root))
    assert (handed.principal, handed.scopes, handed.envelope.authority) == (ANN, None, ())
    assert (handed.envelope.scopes, handed.envelope.budget, handed.envelope.parent) == ((), None, "")


def test_a_call_without_an_envelope_is_not_handed_on() -> None:
    """The layers have not seen it."""
    with pytest.raises(InternalError):
        pair()[0].sealed(call(None), "two")


def test_it_is_good_once() -> None:
    """Neither again nor at another node."""
    one, two = pair()
    sealed = one.sealed(call(), "two")
    two.opened(sealed, call())
    assert refused(lambda: two.opened(sealed, call())) == "replayed"
    assert refused(lambda: two.opened(one.sealed(call(), "three"), call())) == "audience"


def test_it_is_good_for_a_while() -> None:
    """And by the store's clock, whatever the clocks of the nodes say."""
    time = Time()
    one, two = pair(time)
    sealed = one.sealed(call(), "two")
    time.now += WINDOW + 0.001
    assert refused(lambda: two.opened(sealed, call())) == "expired"
    late = one.sealed(call(), "two")
    time.now -= WINDOW + 0.001
    assert refused(lambda: two.opened(late, call())) == "expired"


def test_nothing_of_the_time_before_a_node_began_is_good() -> None:
    """Whether it was used then, nobody remembers."""
    time = Time()
    secrets = OneSecret(time)
    one = Seals("one", secrets)
    sealed = one.sealed(call(), "two")
    time.now += 1
    assert refused(lambda: Seals("two", secrets).opened(sealed, call())) == "expired"


@pytest.mark.parametrize("field", ["agent", "capability", "id", "idempotency_key"])
def test_it_is_good_for_its_own_call(field: str) -> None:
    """Not for another agent, capability, id or key."""
    one, two = pair()
    other = call()
    setattr(other, field, "other")
    assert refused(lambda: two.opened(one.sealed(call(), "two"), other)) == "mismatch"


def test_the_path_ends_at_the_agent_that_is_called() -> None:
    """A node that says otherwise is not believed."""
    one, two = pair()
    strange = call(ENVELOPE._replace(path=("echo", "crowd")))
    assert refused(lambda: two.opened(one.sealed(strange, "two"), call())) == "mismatch"


@pytest.mark.parametrize("sealed", [None, "text", b"", b"\x01" * 49, b"\x02" * 100, b"\x01" * (LARGEST + 1)])
def test_what_is_no_sealed_envelope_is_not_looked_at(sealed: object) -> None:
    """Too short, too long, of another version."""
    assert refused(lambda: pair()[1].opened(sealed, call())) == "malformed"


def test_the_secret_of_another_mesh_is_not_known() -> None:
    """It is told apart from a forgery, because it happens by mistake."""
    stranger = pair()[0]
    assert refused(lambda: pair()[1].opened(stranger.sealed(call(), "two"), call())) == "unknown secret"


@given(place=st.integers(0, 10_000), change=st.integers(1, 255))
def test_any_changed_byte_is_refused(place: int, change: int) -> None:
    """Wherever it stands; and as it was, it is good."""
    one, two = pair()
    sealed = one.sealed(call(), "two")
    changed = bytearray(sealed)
    changed[place % len(sealed)] ^= change
    assert refused(lambda: two.opened(bytes(changed), call())) in ("forged", "malformed", "unknown secret")
    two.opened(sealed, call())


@given(cut=st.integers(1, 400), more=st.binary(max_size=20))
def test_nothing_can_be_cut_off_or_added(cut: int, more: bytes) -> None:
    """Not at the end, and not at the beginning."""
    one, two = pair()
    sealed = one.sealed(call(), "two")
    for changed in (sealed[:-cut], sealed[cut:], sealed + b"\0" + more, sealed + more + b"\x08\x01", more + sealed[1:]):
        if changed != sealed:
            assert refused(lambda changed=changed: two.opened(changed, call())) in (  # type: ignore[misc]
                *("forged", "malformed", "unknown secret"),
            )


def test_the_seal_is_an_hmac_by_the_books() -> None:
    """Whatever begins it how: nodes of other versions make it by themselves."""
    time = Time()
    secrets = OneSecret(time)
    sealed = Seals("one", secrets).sealed(call(), "two")
    head, mac, body = sealed[:HEAD], sealed[HEAD : HEAD + MAC_BYTES], sealed[HEAD + MAC_BYTES :]
    assert mac == hmac.digest(secrets.signing().key, head + body, "sha256")


KNOWN = Beginnings()  # of all examples
TEXTS = st.text(max_size=20)
PRINCIPALS = st.builds(
    Principal, st.sampled_from(["agent", "node", "person"]), st.from_regex(r"[!-~]{1,30}", fullmatch=True)
)
SCOPES = st.lists(TEXTS, max_size=3).map(tuple)
ENVELOPES = st.builds(
    Envelope,
    deadline=st.just(1000.0),
    allowance=st.just(1000.0),
    path=st.lists(TEXTS, max_size=5).map(tuple),
    parent=TEXTS,
    root=TEXTS,
    authority=st.lists(PRINCIPALS, max_size=4).map(tuple),
    id=TEXTS,
    scopes=st.lists(SCOPES, max_size=3).map(tuple),
    budget=st.none() | st.dictionaries(TEXTS, st.integers(-(1 << 63), (1 << 63) - 1), max_size=4),
)


@given(
    st.builds(Handed, ENVELOPES, PRINCIPALS, st.none() | SCOPES, TEXTS, TEXTS, TEXTS),
    st.builds(Stamp, TEXTS, TEXTS, st.integers(0, 4_000_000_000).map(float), *[st.integers(0, (1 << 64) - 1)] * 2),
)
def test_what_is_written_is_read_as_it_was(handed: Handed, stamp: Stamp) -> None:
    """In one canonical form; only the time left is less than it was."""
    written = from_handed(handed, stamp, 0.0)
    for _ in range(2):  # the second time its beginning is known
        again, of = to_handed(written, 0.0, KNOWN)
        assert of == stamp
        assert 0 <= again.envelope.allowance <= margined(1000.0)
        same = again._replace(envelope=again.envelope._replace(deadline=1000.0, allowance=1000.0))
        assert same == handed
    assert from_handed(handed, stamp, 0.0) == written


ROOT = Envelope(40.0, 30.0, path=("echo",), root="c1", id="c1")


def written(handed: Handed, sequence: int = 1) -> bytes:
    """The bytes of what one node hands on to the other."""
    return from_handed(handed, Stamp("one", "two", NOW, 7, sequence), 0.0)


def test_an_envelope_that_begins_as_another_is_read_from_where_they_part() -> None:
    """What is new in it is its own."""
    known, call_of = Beginnings(), partial(Handed, principal=ANN, scopes=None, agent="echo", capability="say")
    to_handed(written(call_of(ROOT)), 0.0, known)
    second = written(call_of(ROOT._replace(id="c2", root="c2")), 2)
    lasting, size = known.of(second)
    assert lasting is not None
    assert 0 < size < len(second)
    handed, stamp = to_handed(second, 0.0, known)
    assert (handed.envelope.id, handed.envelope.root, stamp.sequence) == ("c2", "c2", 2)


@pytest.mark.parametrize(
    ("authority", "scopes", "of_key"),
    [((ANN, CROWD), (), None), ((), (("agent:echo:invoke",),), None), ((), (), ("agent:*:invoke",))],
)
def test_what_lasts_longer_than_a_known_beginning_is_not_taken_for_it(
    authority: tuple[Principal, ...], scopes: tuple[tuple[str, ...], ...], of_key: tuple[str, ...] | None
) -> None:
    """Who acts for whom, and what bounds a key, come behind what a root call begins with."""
    known = Beginnings()
    to_handed(written(Handed(ROOT, ANN, None, "echo", "say")), 0.0, known)
    bounded = written(Handed(ROOT._replace(authority=authority, scopes=scopes), ANN, of_key, "echo", "say"))
    for _ in range(2):
        handed, _ = to_handed(bounded, 0.0, known)
        assert (handed.envelope.authority, handed.envelope.scopes, handed.scopes) == (authority, scopes, of_key)


def test_known_beginnings_are_bounded() -> None:
    """However many there are, and of whatever lengths."""
    known = Beginnings()
    for names in ([f"{number:03}" for number in range(2 * ALIKE)], ["a" * length for length in range(1, 60)]):
        for name in names:
            handed, _ = to_handed(written(Handed(ROOT, ANN, None, name, "say")), 0.0, known)
            assert handed.agent == name
            assert 0 < len(known) <= ALIKE


@given(st.binary(max_size=200))
def test_bytes_that_mean_nothing_are_malformed(data: bytes) -> None:
    """Whatever they are, they are refused as such or read."""
    try:
        to_handed(data, 0.0, Beginnings())
    except EnvelopeInvalid as refusal:
        assert refusal.variables["problem"] == "malformed"  # noqa: PT017 - most bytes are refused, not all of them
