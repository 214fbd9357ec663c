"""The end of the process: at once where a node ended well, as ever otherwise."""

from __future__ import annotations

import os
import sys

import pytest

from a2a_node import __main__ as program


class Over(BaseException):
    """The process ended then and there."""


@pytest.mark.parametrize(
    ("words", "code", "end"),
    [(["up"], 0, Over), (["serve", "--drain", "3"], None, Over), (["up"], 64, SystemExit), (["agents"], 0, SystemExit)],
)
def test_a_node_that_ended_well_takes_no_interpreter_down(
    monkeypatch: pytest.MonkeyPatch, words: list[str], code: int | None, end: type[BaseException]
) -> None:
    """Whatever threads of libraries are left, its exit code is its own."""

    def run() -> None:
        sys.exit(code)

    def over(status: int) -> None:
        assert status == 0
        raise Over

    monkeypatch.setattr(program, "run", run)
    monkeypatch.setattr(os, "_exit", over)
    monkeypatch.setattr(sys, "argv", ["a2a-node", *words])
    with pytest.raises(end):
        program.main()
