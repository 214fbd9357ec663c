"""Who else may say who is calling: issuers of tokens, and their keys, read from files or URLs and read again in time.

A set of keys that cannot be read leaves the one before in force, so that an issuer's outage ends nobody's work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import structlog

from a2a_node.access.jwks import (
    ALGORITHMS,
    SECRET_ALGORITHM,
    SIZE,
    BadKeySet,
    CheckingKey,
    bounded,
    key_set,
    shared_secret,
)
from a2a_node.mesh.background import background

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer, and whom it may speak for."""

    name: str  # the claim `iss`
    audience: tuple[str, ...]  # one of which a token must be for
    jwks: str = ""  # a file, or an https URL; http on loopback alone
    secret: bytes = field(default=b"", repr=False)  # shared with an issuer that signs by HS256
    algorithms: frozenset[str] = frozenset(ALGORITHMS)
    claim: str = "sub"  # names the principal
    kind: str = ""  # of principals, where the claim has the name alone
    kinds: tuple[str, ...] = ("person", "agent")  # that it may speak for
    scopes: tuple[str, ...] = ("permissions", "scope")  # claims that bound a token: the first one that it has


@dataclass(frozen=True, slots=True)
class Pace:
    """How often keys are read, in seconds."""

    file: float = 1.0  # between looks whether a file has changed
    url: float = 300.0  # between fetches
    unknown: float = 10.0  # between fetches because of keys that nobody knows
    patience: float = 5.0  # for a fetch


DEFAULT = Pace()
Changed = Callable[[], None]


class KeySource:
    """The keys of one issuer."""

    def __init__(self, issuer: Issuer, pace: Pace, changed: Changed) -> None:
        self.issuer = issuer
        self._pace, self._changed = pace, changed  # `changed` is called with every new set
        self._keys: Mapping[str, CheckingKey] = {}
        self._content = b""
        self._stamp: object = None
        self._asked = float("-inf")
        self._reading = asyncio.Lock()
        if issuer.secret:
            self._keys = {"": shared_secret(issuer.secret)}

    def key(self, key_id: str, algorithm: str) -> CheckingKey | None:
        """The key of that id, or the only one that there is where a token names none; None for another algorithm."""
        only = len(self._keys) == 1 and (not key_id or self.issuer.secret)
        found = next(iter(self._keys.values())) if only else self._keys.get(key_id)
        return found if found is not None and found.algorithm == algorithm else None

    def knows(self, key_id: str) -> bool:
        """Whether the issuer has a key of that id now."""
        return key_id in self._keys

    async def look_again(self) -> None:
        """Read the keys because a token names one that is not known, unless that was just done."""
        if self.issuer.jwks and monotonic() - self._asked >= self._pace.unknown:
            self._asked = monotonic()
            await self.read()

    async def keep(self) -> None:
        """Read the keys again and again, for ever."""
        while True:
            await asyncio.sleep(self._pace.url if _is_url(self.issuer.jwks) else self._pace.file)
            await self.read()

    async def read(self) -> bool:
        """Read the keys once; whether that could be done."""
        try:
            async with self._reading:
                content = await asyncio.to_thread(self._content_now)
                if content != self._content:
                    self._take(content)
        except (OSError, BadKeySet) as error:
            name, where = self.issuer.name, self.issuer.jwks
            log.warning("an issuer's keys cannot be read", issuer=name, jwks=where, why=str(error))
            return False
        return True

    def _take(self, content: bytes) -> None:
        self._keys = key_set(content, self.issuer.algorithms)
        self._content = content
        self._changed()

    def _content_now(self) -> bytes:
        if _is_url(self.issuer.jwks):
            from a2a_node.access.fetching import fetched  # noqa: PLC0415 - only where an issuer publishes its keys

            return fetched(self.issuer.jwks, self._pace.patience)
        file = Path(self.issuer.jwks)
        status = file.stat()
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if stamp == self._stamp:
            return self._content
        with file.open("rb") as opened:
            content = opened.read(SIZE + 1)
        self._stamp = stamp
        return bounded(content)


class Issuers:
    """All issuers by name; made by `followed`."""

    def __init__(self, issuers: Sequence[Issuer], pace: Pace) -> None:
        self._sources = {issuer.name: KeySource(issuer, pace, self._tell) for issuer in issuers}
        self._listeners: list[Changed] = []

    @classmethod
    @asynccontextmanager
    async def followed(cls, trusted: Sequence[Issuer], pace: Pace = DEFAULT) -> AsyncIterator[Issuers]:
        """Keep their keys up to date until the block ends."""
        issuers = cls(trusted, pace)
        published = [source for source in issuers._sources.values() if source.issuer.jwks]
        await asyncio.gather(*(source.read() for source in published))
        async with background(*(source.keep for source in published)):
            yield issuers

    def listen(self, listener: Changed) -> None:
        """Call the listener after each change of anybody's keys."""
        self._listeners.append(listener)

    def find(self, name: str) -> KeySource | None:
        """The issuer of that name; None for one that is not trusted."""
        return self._sources.get(name)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


def _is_url(jwks: str) -> bool:
    return "://" in jwks


def checked_algorithms(named: Sequence[str], *, secret: bool) -> frozenset[str]:
    """The algorithms of an issuer; ValueError for those that are not for it."""
    fitting = (SECRET_ALGORITHM,) if secret else ALGORITHMS
    chosen = frozenset(named or fitting)
    if unknown := chosen - frozenset(fitting):
        raise ValueError(f"algorithm {min(unknown)!r} is none of: {', '.join(fitting)}")
    return chosen
