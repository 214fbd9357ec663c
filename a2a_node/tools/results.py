"""What a server answers: results as JSON or text, and its failures in the mesh's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import orjson

from a2a_node.model.errors import AgentFailed, PayloadTooLarge

SHOWN = 2000  # characters of what a tool says went wrong
Object = Mapping[str, object]


def checked_size(result: Object, most: int) -> Object:
    """The result itself; PayloadTooLarge when it has more bytes as JSON."""
    size = len(orjson.dumps(result))
    if size > most:
        raise PayloadTooLarge(size, most)
    return result


def answer(agent: str, capability: str, result: Object, mask: Callable[[str], str]) -> object:
    """What a tool answers: its structured content, or one text, or `{"content": [...]}` of all its blocks.

    AgentFailed, with the tool's own text, masked, when it says that it failed.
    """
    blocks = result.get("content")
    content = cast("Sequence[object]", blocks) if isinstance(blocks, list) else ()
    if result.get("isError") is True:
        raise AgentFailed(agent, capability, said=mask(_texts(content))[:SHOWN])
    structured = result.get("structuredContent")
    if isinstance(structured, dict):
        return structured
    if len(content) == 1 and (text := _text(content[0])) is not None:
        return text
    return {"content": content}


def read(result: Object) -> Object:
    """What a reading answers, without what is of the protocol only."""
    return {name: value for name, value in result.items() if name != "_meta"}


def _texts(content: Sequence[object]) -> str:
    return "\n".join(text for block in content if (text := _text(block)) is not None)


def _text(block: object) -> str | None:
    if isinstance(block, dict) and block.get("type") == "text" and isinstance(block.get("text"), str):
        return str(block["text"])
    return None
