"""Large frames in parts: whole again at the other end, bounded there, and told from what makes no sense."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.mesh.parts import AROUND, PART_BYTES, Parts, parts_of
from a2a_node.model.errors import InvalidInput, PayloadTooLarge
from a2amesh.v1 import payload_pb2
from a2amesh.v1 import peer_service_pb2 as pb

LIMIT = 1024 * 1024


def frame(number: int, size: int) -> pb.LinkRequest:
    """An input of so many bytes."""
    return pb.LinkRequest(call=number, input=payload_pb2.Payload(data=b"x" * size))


def parts() -> Parts[pb.LinkRequest]:
    """What comes to a node that takes two at a time."""
    return Parts(pb.LinkRequest, LIMIT, 2)


@given(st.integers(0, LIMIT), st.integers(0, LIMIT))
def test_frames_are_whole_again_however_their_parts_take_turns(one: int, other: int) -> None:
    """Each is complete with its own last part, and nothing is kept then."""
    here, frames = parts(), [frame(1, one), frame(2, other)]
    waiting = {sent.call: list(parts_of(sent)) for sent in frames}
    whole = {}
    while any(waiting.values()):
        for number, left in waiting.items():
            if left and (complete := here.add(number, left.pop(0))) is not None:
                assert not left
                whole[number] = complete
    assert [whole[1], whole[2]] == frames
    assert len(here) == 0


def test_no_part_is_larger_than_one_may_be() -> None:
    """Else it would hold others up as the whole frame does."""
    assert {len(part.data) for part in parts_of(frame(1, 3 * PART_BYTES))} <= {*range(PART_BYTES + 1)}


def test_what_comes_is_bounded() -> None:
    """In bytes and in frames; a call that is over makes room."""
    here, part = parts(), pb.LinkPart(data=b"x" * PART_BYTES)
    begin = pb.LinkPart(first=True)
    here.add(1, begin)
    for _ in range((LIMIT + AROUND) // PART_BYTES):
        assert here.add(1, part) is None
    with pytest.raises(PayloadTooLarge):
        here.add(1, part)
    assert len(here) == 0
    here.add(1, begin)
    here.add(2, begin)
    with pytest.raises(InvalidInput, match="incomplete"):
        here.add(3, begin)
    here.drop(1)
    here.add(3, begin)
    assert len(here) == 2


def test_what_is_left_of_a_call_that_is_over_is_passed_over() -> None:
    """It makes no frame, and is not taken for nonsense."""
    here = parts()
    first, *rest = parts_of(frame(1, 3 * PART_BYTES))
    here.add(1, first)
    here.drop(1)
    assert [here.add(1, part) for part in rest] == [None] * len(rest)
    assert len(here) == 0


@pytest.mark.parametrize(
    "data",
    [b"\xff\xff", frame(2, 1).SerializeToString(), pb.LinkRequest(call=1, part=pb.LinkPart()).SerializeToString()],
    ids=["no frame", "another call", "a part"],
)
def test_what_makes_no_sense_is_refused(data: bytes) -> None:
    """It is no frame of the call."""
    with pytest.raises(InvalidInput, match="part"):
        parts().add(1, pb.LinkPart(data=data, first=True, last=True))
