"""What a node shows of those who call it: how keys and tokens are proven, and what becomes of wrong ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from a2a_node.access.credentials import Counts
from a2a_node.access.keyring import KnownKeyring
from a2a_node.web.figures import Figure


class Waits(Protocol):
    """Who counts wrong keys."""

    waiting: int
    turned_away: int

    def __len__(self) -> int:
        """How many addresses are remembered."""


@dataclass(frozen=True, slots=True)
class People:
    """The rooms that know who is who."""

    counts: Counts
    keyring: KnownKeyring
    wrong_keys: Waits


def of_people(people: People) -> Sequence[Figure]:
    """How callers prove themselves."""
    counts, keyring, wrong = people.counts, people.keyring, people.wrong_keys

    def lookups() -> Mapping[str, float]:
        return {"hit": counts.hits, "miss": counts.misses, "refused": counts.refusals}

    proven = "Keys and tokens by how they were proven: hit (seen before), miss (a token was checked), refused"
    turned_away = "Calls that were turned away unseen, as too many wrong keys came from their address"
    return (
        Figure("a2a_keys_known", "API keys that hold, as this node knows them", lambda: len(keyring.book)),
        Figure("a2a_keys_behind", "1 while changes of keys are out of hearing", lambda: keyring.behind),
        Figure("a2a_credentials", proven, lookups, "result", grows=True),
        Figure("a2a_wrong_key_addresses", "Addresses that sent wrong keys lately", lambda: len(wrong)),
        Figure("a2a_wrong_key_calls_waiting", "Calls that wait for their address's sake", lambda: wrong.waiting),
        Figure("a2a_wrong_key_calls_turned_away", turned_away, lambda: wrong.turned_away, grows=True),
    )
