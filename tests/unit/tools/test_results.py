"""What servers answer, in the mesh's words; and what is taken out of their words for people."""

from __future__ import annotations

import pytest

from a2a_node.model.errors import AgentFailed, PayloadTooLarge
from a2a_node.model.tools import LINE, ServerValue
from a2a_node.tools.masking import MASK, masking
from a2a_node.tools.results import answer, checked_size, read

TEXT = {"type": "text", "text": "one"}
IMAGE = {"type": "image", "data": "aGk=", "mimeType": "image/png"}


@pytest.mark.parametrize(
    ("result", "answered"),
    [
        ({"structuredContent": {"a": 1}, "content": [TEXT]}, {"a": 1}),
        ({"content": [TEXT]}, "one"),
        ({"content": [TEXT, TEXT]}, {"content": [TEXT, TEXT]}),
        ({"content": [IMAGE]}, {"content": [IMAGE]}),
        ({"content": [{"type": "text"}]}, {"content": [{"type": "text"}]}),
        ({"content": "nonsense"}, {"content": ()}),
        ({"structuredContent": [1]}, {"content": ()}),
        ({}, {"content": ()}),
    ],
)
def test_an_answer_is_what_is_most_of_use(result: dict[str, object], answered: object) -> None:
    """An object before a text before blocks; nonsense is nothing."""
    assert answer("mcp.s", "say", result, str) == answered


def test_a_failure_has_the_tools_own_words_masked() -> None:
    """All its texts, a line each."""
    result = {"isError": True, "content": [{"type": "text", "text": "no s3cr3t"}, IMAGE, TEXT]}
    with pytest.raises(AgentFailed, match=r"no \*\*\*\none"):
        answer("mcp.s", "say", result, masking([ServerValue("s3cr3t")]))


def test_a_reading_is_given_without_what_is_of_the_protocol() -> None:
    """The rest is as the server made it."""
    assert read({"contents": [1], "_meta": {"a": 1}}) == {"contents": [1]}


def test_a_size_is_that_of_the_json() -> None:
    """Up to the limit it is as it was."""
    assert checked_size({"a": "xx"}, 10) == {"a": "xx"}
    with pytest.raises(PayloadTooLarge) as refused:
        checked_size({"a": "xxx"}, 10)
    assert refused.value.variables["size"] == "11"


def test_secrets_are_taken_out_however_they_are_written() -> None:
    """As they are, as JSON has them, and line by line; a value of three letters stands in every other word."""
    mask = masking([ServerValue('pass"word'), ServerValue("first line\nsecond line"), ServerValue("abc")])
    assert mask('it is pass"word') == f"it is {MASK}"
    assert mask('{"it": "pass\\"word"}') == f'{{"it": "{MASK}"}}'
    assert mask("not second line, abc") == f"not {MASK}, abc"
    assert mask("a\x1b[31mb") == "a [31mb"
    assert masking([ServerValue("Bearer t0ken")])("no t0ken, Bearer") == f"no {MASK}, Bearer"
    assert len(mask("x" * 2 * LINE)) == LINE
