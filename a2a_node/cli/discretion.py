"""What a log must not say: the texts of exceptions, which quote payloads, and whatever looks like a key or a password.

An exception is told by its class and by where it came through, which is code and no data; `--log-texts` adds the texts.
What looks like a secret is masked even then.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator

from structlog.typing import EventDict, ExcInfo, WrappedLogger

MASK = "***"
DEEPEST = 50  # frames of one exception
LONGEST_CHAIN = 10  # causes of causes
OTHERS = "text"  # the field that holds what somebody else's software said

# keys and call tokens of ours, credentials as they stand in headers, JSON web tokens, passwords inside of URLs
SECRET = re.compile(
    r"(?P<key>\ba2a_[A-Za-z0-9]+_)[\w-]{8,}"
    r"|(?P<scheme>\b(?i:bearer|basic)\s+)[^\s\"',;]+"
    r"|(?P<token>\beyJ)[\w-]+\.[\w-]+\.[\w-]*"
    r"|(?P<url>://[^:/@\s\"']*:)[^@/\s\"']+(?=@)"
    r"|(?P<call>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\.)[0-9a-f]{32}\b"
)


def masked(line: str) -> str:
    """A line without what looks like a secret."""
    return SECRET.sub(lambda found: f"{found[found.lastgroup or 0]}{MASK}", line)


def frames(exc_info: ExcInfo) -> str:
    """An exception without its text, nor those of its causes: the classes, and where they came through."""
    return "\n".join([*_told(exc_info[1]), "(the texts are withheld, they may quote payloads: --log-texts)"])


def discreet(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """An event without what others said; asyncio's own words quote exceptions and arguments from the bracket on."""
    if OTHERS in event:
        event[OTHERS] = MASK
    record = event.get("_record")
    if record is not None and record.name == "asyncio":
        event["event"] = str(event["event"]).partition("\n")[0].partition("(")[0]
    return event


def _told(exception: BaseException) -> Iterator[str]:
    chain: list[BaseException] = []
    following: BaseException | None = exception
    while following is not None and following not in chain and len(chain) < LONGEST_CHAIN:
        chain.append(following)
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    for one in chain[::-1]:
        kind = type(one)
        yield f"{kind.__module__}.{kind.__qualname__}"
        for frame in traceback.extract_tb(one.__traceback__, limit=DEEPEST):
            yield f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
        if isinstance(one, BaseExceptionGroup):
            yield f"  of {', '.join(type(part).__qualname__ for part in one.exceptions)}"
