"""The node's log."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from a2a_node.cli.logs import configure_logs
from a2a_node.model.call import CURRENT, Call
from a2a_node.model.trace import Trace

pytestmark = pytest.mark.usefixtures("quiet_afterwards")


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
    """In JSON as one text of one line's event; its words only when they are asked for."""
    configure_logs(as_json=True, texts=True)
    try:
        json.loads("no json")
    except json.JSONDecodeError:
        structlog.get_logger("a2a_node.test").exception("call failed")
    (event,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert "JSONDecodeError: Expecting value" in event["exception"]


@pytest.mark.parametrize("as_json", [True, False])
def test_what_others_say_is_withheld(capsys: pytest.CaptureFixture[str], *, as_json: bool) -> None:
    """The texts of exceptions and of foreign software, and asyncio's quotes of both."""
    configure_logs(as_json=as_json)
    try:
        raise KeyError("payload")  # noqa: TRY301 - a test of the log
    except KeyError:
        structlog.get_logger("a2a_node.test").exception("call failed", text="payload")
        logging.getLogger("a2a_node.test").exception("again")
    asyncio_says = "Task exception was never retrieved\nfuture: <Task exception=KeyError('payload')>"
    logging.getLogger("asyncio").error(asyncio_says)
    logging.getLogger("asyncio").error("Exception in callback work('payload')")
    said = capsys.readouterr().err
    assert "payload" not in said.replace("quote payloads", "")
    assert said.count("builtins.KeyError") == 2
    assert "Task exception was never retrieved" in said
    assert "Exception in callback work" in said


def test_the_ids_of_the_call_go_along(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the one that is worked on, unless the event names another one."""
    configure_logs(as_json=True)

    async def done(_: Call) -> None:
        """Nothing more to do."""

    before = CURRENT.set(Call("/m", done, id="c-1", trace=Trace(0xAB, 1, sampled=True)))
    structlog.get_logger("a2a_node.test").info("one")
    logging.getLogger("a2a_node.test").info("two")
    structlog.get_logger("a2a_node.test").info("three", call_id="c-2")
    CURRENT.reset(before)
    structlog.get_logger("a2a_node.test").info("four")
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [event.get("call_id") for event in events] == ["c-1", "c-1", "c-2", None]
    assert [event.get("trace_id") for event in events] == [f"{0xAB:032x}"] * 3 + [None]
