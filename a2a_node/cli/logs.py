"""Where the node's log goes: stderr, as text for people or JSON lines for machines, with the ids of call and trace."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from a2a_node.cli.discretion import discreet, frames, masked
from a2a_node.model.call import CURRENT


def configure_logs(*, as_json: bool, texts: bool = False) -> None:
    """Send all events to stderr in one form: the node's own from INFO on, and the warnings of what it is made of.

    The texts of exceptions, and of what others say, are told with `texts` alone.
    """
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    careful: tuple[Processor, ...] = () if texts else (discreet, structlog.processors.ExceptionRenderer(frames))
    finish = _machine_form() if as_json else _human_form()
    drop = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[*careful, drop, *finish, _masked],
            foreign_pre_chain=[*SHARED, structlog.stdlib.ExtraAdder()],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("a2a_node").setLevel(logging.INFO)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines; one that cannot be written is told by its place, where the library would quote all of it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's own name
        """Say which line was lost."""
        with suppress(OSError, ValueError):  # stderr itself is gone
            sys.stderr.write(f"a line of the log was lost: {record.pathname}:{record.lineno}\n")


def _with_ids(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The ids of the call that is worked on, where the event does not name any by itself."""
    call = CURRENT.get()
    if call is not None:
        if call.id:
            event.setdefault("call_id", call.id)
        if call.trace is not None:
            event.setdefault("trace_id", f"{call.trace.trace_id:032x}")
    return event


SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _with_ids,
)


def _human_form() -> tuple[Processor, ...]:
    plain = structlog.dev.plain_traceback
    return (structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain),)


def _machine_form() -> tuple[Processor, ...]:
    return (structlog.processors.format_exc_info, _json_line)


def _json_line(_: WrappedLogger, __: str, event: EventDict) -> str:
    return orjson.dumps(event, default=str).decode()


def _masked(_: WrappedLogger, __: str, line: EventDict) -> str:
    return masked(str(line))
