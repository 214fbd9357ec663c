"""Errors that agents raise on purpose."""

from __future__ import annotations

import pytest
from google.rpc import code_pb2

from a2a_node.model.errors import AgentRefused
from a2a_node.model.errors.base import CODES


def test_the_codes_are_grpcs_own() -> None:
    """All but OK, which is no failure."""
    assert set(code_pb2.Code.keys()) - {"OK"} == CODES


@pytest.mark.parametrize("code", ["OK", "NOPE", ""])
def test_an_agent_cannot_refuse_with_a_code_that_nobody_knows(code: str) -> None:
    """It would have no status on the wire."""
    with pytest.raises(ValueError, match="no gRPC code"):
        AgentRefused("no", code=code)
