"""What a tool's call comes to: outputs and failures as the content of a result."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import orjson

from a2a_node.client.values import decoded
from a2a_node.model.errors import MeshError
from a2a_node.model.payload import JSON, Payload

ERROR = "a2amesh/error"  # the entry of `_meta` that has a failure for programs
CALL = "a2amesh/call_id"  # the entry of `_meta` that names the call
SHOWN = {"image": "image", "audio": "audio"}  # kinds of media that have content of their own
Result = dict[str, object]


def answered(call_id: str, outputs: Sequence[Payload], inside: str, *, streamed: bool = False) -> Result:
    """The result of a call that has ended well; `inside` is where its output stands in the structured content."""
    values = [decoded(output) for output in outputs]
    content = [_content(value, output, call_id) for value, output in zip(values, outputs, strict=True)]
    result: Result = {"content": content, "isError": False, "_meta": {CALL: call_id}}
    if not any(isinstance(value, bytes) for value in values):
        structured = _structured(values if streamed else values[0], inside)
        if structured is not None:
            result["structuredContent"] = structured
    return result


def failed(failure: MeshError, call_id: str = "") -> Result:
    """The result of a call that has failed: what went wrong and what to do, for people and for programs."""
    error: Result = {"reason": failure.reason, "code": failure.code, "metadata": dict(failure.variables)}
    if failure.violations:
        error["violations"] = [{"field": field, "description": why} for field, why in failure.violations]
    if failure.retryable:
        error["retryable"] = True
    if failure.retry_after is not None:
        error["retry_after"] = failure.retry_after
    meta = {ERROR: error, CALL: call_id} if call_id else {ERROR: error}
    return {"content": [{"type": "text", "text": said(failure)}], "isError": True, "_meta": meta}


def said(failure: MeshError) -> str:
    """A failure in words: its reason, its message, and when to try again."""
    again = "" if failure.retry_after is None else f" Try again in {failure.retry_after:.3g} s."
    return f"{failure.reason}: {failure.message}.{again}".replace("..", ".")


def told(output: Payload) -> str:
    """One reply of a stream, as the message of a progress notification."""
    value = decoded(output)
    return f"{len(value)} bytes of {output.media_type}" if isinstance(value, bytes) else _text(value)


def structured_of(value: Mapping[str, object]) -> Result:
    """The result that is an object, and the same as text."""
    return {"content": [{"type": "text", "text": _text(value)}], "structuredContent": value, "isError": False}


def _structured(value: object, inside: str) -> Mapping[str, object] | None:
    if inside:
        return {inside: value}
    return value if isinstance(value, dict) else None


def _content(value: object, output: Payload, call_id: str) -> Result:
    if not isinstance(value, bytes):
        return {"type": "text", "text": _text(value)}
    blob, kind = base64.b64encode(value).decode(), SHOWN.get(output.media_type.partition("/")[0])
    if kind is not None:
        return {"type": kind, "data": blob, "mimeType": output.media_type}
    place = f"a2a-call:{call_id}"
    return {"type": "resource", "resource": {"uri": place, "mimeType": output.media_type or JSON, "blob": blob}}


def _text(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
