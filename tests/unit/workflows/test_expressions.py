"""What expressions make of values."""

from __future__ import annotations

import json

from a2a_node.workflows.expressions import Values, resolved

FILES = [{"path": f"p{number}", "sha256": "0", "bytes": number, "a": {"z": 1, "b": 2}} for number in range(20)]


def test_an_expression_says_the_same_in_the_same_words_each_time() -> None:
    """Also the order of keys: what a step says again after a loss is compared with what it said before."""
    values = Values.of({"inputs": {"files": FILES}})
    said = {
        json.dumps(resolved({"it": "${{ inputs.files }}", "text": "x${{ inputs.files }}"}, values)) for _ in range(9)
    }
    assert len(said) == 1
    assert json.loads(said.pop())["it"] == FILES
