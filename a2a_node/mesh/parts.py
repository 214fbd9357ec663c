"""Large frames in parts, so that the small frames of other calls on a link need not wait for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError, Message

from a2a_node.model.errors import InvalidInput, PayloadTooLarge
from a2amesh.v1 import peer_service_pb2 as pb

F = TypeVar("F", pb.LinkRequest, pb.LinkResponse)
PART_BYTES = 64 * 1024  # a frame that is larger goes in parts of this size
AROUND = 64 * 1024  # bytes of a frame around its payload


def parts_of(frame: Message) -> Iterator[pb.LinkPart]:
    """The frame in parts, in their order."""
    data = frame.SerializeToString()
    for start in range(0, len(data), PART_BYTES):
        end = start + PART_BYTES
        yield pb.LinkPart(data=data[start:end], first=not start, last=end >= len(data))


class Parts(Generic[F]):
    """What has come of large frames, by the numbers of their calls."""

    def __init__(self, frames: type[F], payload_limit: int, calls: int) -> None:
        """`payload_limit`: of a frame's payload, bytes; `calls`: how many frames may be incomplete at a time."""
        self._frames: type[F] = frames
        self._limit, self._calls = payload_limit, calls
        self._come: dict[int, bytearray] = {}

    def __len__(self) -> int:
        """How many frames are incomplete."""
        return len(self._come)

    def add(self, number: int, part: pb.LinkPart) -> F | None:
        """Take in a part of a call's frame; the frame, once it was the last one.

        PayloadTooLarge once it exceeds the limit; what follows of it is passed over, as are the parts of a call that is
        over. InvalidInput for what is no frame of the call, or for too many at a time.
        """
        if part.first:
            self._begin(number)
        come = self._come.get(number)
        if come is None:
            return None
        come += part.data
        if len(come) > self._limit + AROUND:
            self.drop(number)
            raise PayloadTooLarge(len(come), self._limit)
        return self._whole(number, bytes(self._come.pop(number))) if part.last else None

    def drop(self, number: int) -> None:
        """The call is over, and its frame will never be complete."""
        self._come.pop(number, None)

    def _begin(self, number: int) -> None:
        if number not in self._come and len(self._come) >= self._calls:
            raise InvalidInput("part", f"more than {self._calls} frames are incomplete")
        self._come[number] = bytearray()

    def _whole(self, number: int, data: bytes) -> F:
        try:
            frame: F = self._frames.FromString(data)
        except DecodeError:
            raise InvalidInput("part", "is of no frame") from None
        if frame.call != number or frame.HasField("part"):
            raise InvalidInput("part", "is of a frame of another call")
        return frame
