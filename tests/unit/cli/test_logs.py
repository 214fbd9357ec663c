"""The node's log."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from a2a_node.cli.logs import configure_logs


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    """Logging as it was."""
    root, ours = logging.getLogger(), logging.getLogger("a2a_node")
    before = (root.handlers[:], root.level, ours.level)
    yield
    root.handlers[:], level, our_level = before
    root.setLevel(level)
    ours.setLevel(our_level)
    structlog.reset_defaults()


def test_machines_read_a_line_of_json_for_each_event(capsys: pytest.CaptureFixture[str]) -> None:
    """Ours and the standard library's in one form, from INFO on; others only when they warn."""
    configure_logs(as_json=True)
    structlog.get_logger("a2a_node.test").info("call ended", agent="echo")
    logging.getLogger("a2a_node.test").info("ended %s", "again")
    logging.getLogger("somebody.else").info("not worth a word")
    logging.getLogger("somebody.else").warning("worth one")
    said = capsys.readouterr()
    events = [json.loads(line) for line in said.err.splitlines()]
    assert said.out == ""
    assert [event["event"] for event in events] == ["call ended", "ended again", "worth one"]
    assert events[0]["agent"] == "echo"
    assert {"level", "timestamp"} <= events[0].keys()


def test_people_read_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Without colours where nobody sees them."""
    configure_logs(as_json=False)
    structlog.get_logger("a2a_node.test").warning("store away", store="redis")
    said = capsys.readouterr().err
    assert "store away" in said
    assert "store=redis" in said
    assert "\x1b" not in said


def test_a_traceback_goes_along(capsys: pytest.CaptureFixture[str]) -> None:
    """In JSON as one text of one line's event."""
    configure_logs(as_json=True)
    try:
        json.loads("no json")
    except json.JSONDecodeError:
        structlog.get_logger("a2a_node.test").exception("call failed")
    (event,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert "JSONDecodeError: Expecting value" in event["exception"]
