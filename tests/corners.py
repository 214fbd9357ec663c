"""Corners of the shared stores: a database of one's own there, for a test or for all tests of a file."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from redis import Redis

from a2a_node.store.embedded import StoreAddresses
from tests import seeds


@dataclass(frozen=True, slots=True)
class Corner:
    """Where nodes of one mesh keep what they share."""

    postgres_url: str
    redis_url: str

    @property
    def environ(self) -> Mapping[str, str]:
        """What a node's environment needs to find it."""
        return {"A2A_POSTGRES_URL": self.postgres_url, "A2A_REDIS_URL": self.redis_url}


@contextmanager
def database(stores: StoreAddresses, administer: Callable[[str], None], *, bare: bool = False) -> Iterator[str]:
    """The URL of a new database, with the schema unless it is to be bare; dropped after it, whoever is connected."""
    name = f"test_{uuid.uuid4().hex}"
    administer(f"CREATE DATABASE {name} TEMPLATE {'template0' if bare else seeds.TEMPLATE}")
    yield urlsplit(stores.postgres_url)._replace(path=f"/{name}").geturl()
    administer(f"DROP DATABASE {name} WITH (FORCE)")


def emptied(redis_url: str) -> str:
    """A Valkey, in which nothing is left."""
    with Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url
