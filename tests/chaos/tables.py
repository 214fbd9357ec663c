"""The result as people read it: `python -m tests.chaos --tables` prints what README.md and docs/chaos.md show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.rows import CLEAN, Row

TOLD = 4  # reasons of a fault that are named, the most frequent ones


@dataclass(frozen=True, slots=True)
class Group:
    """Faults of a kind, one line of the README."""

    about: str
    faults: Sequence[str]


GROUPS = (
    Group(
        "kill -9: the serving node, the client's node, the agent",
        ("serving_node_killed", "client_node_killed", "agent_killed"),
    ),
    Group("SIGSTOP for 5 s: the same", ("serving_node_stopped", "client_node_stopped", "agent_stopped")),
    Group(
        "Postgres, Redis killed, Redis' data lost",
        ("postgres_killed", "redis_killed", "redis_emptied"),
    ),
    Group(
        "Postgres, Redis, both stopped for 20 s; killed and gone for 20 s",
        (
            "postgres_stopped",
            "redis_stopped",
            "both_stores_stopped",
            "postgres_gone",
            "redis_gone",
            "both_stores_gone",
        ),
    ),
    Group(
        "all links cut; two nodes parted, 1 in 10 connections 2 s late, a clock 1 h off",
        ("links_cut", "two_nodes_parted", "connections_delayed", "clock_an_hour_fast_or_slow"),
    ),
)


def short(rows: Sequence[Row]) -> str:
    """The table of the README: a line for each group, figures of its faults in turn, what went wrong as one number."""
    known = {row.fault: row for row in rows}
    lines = [
        "| what is done under load | times | calls | events | lost, doubled, over-admitted, leaked | recovery, ms |",
        "|---|---|---|---|---|---|",
    ]
    for group in GROUPS:
        found = [known[name] for name in group.faults if name in known]
        cells = (
            group.about,
            ", ".join(str(row.rounds) for row in found),
            f"{sum(row.calls for row in found):,}",
            f"{sum(row.events for row in found):,}",
            str(sum(wrong(row) for row in found)),
            ", ".join(f"{row.recovery_ms:.0f}" for row in found),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def whole(rows: Sequence[Row]) -> str:
    """The table of docs/chaos.md: all figures of every fault, and what clients saw most."""
    names = ("rounds", "calls", "events", *CLEAN, "repeated")
    heads = [name.replace("_", " ") for name in names]
    lines = [
        f"| fault | {' | '.join(heads)} | recovery ms, median / worst | slowest ms | errors that clients saw |",
        "|---" * (len(names) + 4) + "|",
    ]
    for row in rows:
        figures = [str(getattr(row, name)) for name in names]
        recovery = f"{row.recovery_ms:.0f} / {row.recovery_max_ms:.0f}"
        cells = (f"`{row.fault}`", *figures, recovery, f"{row.slowest_ms:.0f}", seen(row.errors))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def wrong(row: Row) -> int:
    """How much went wrong that must not."""
    return sum(getattr(row, name) for name in CLEAN)


def seen(errors: Mapping[str, int]) -> str:
    """The most frequent reasons, whatever kind of call met them."""
    reasons: Counter[str] = Counter()
    for said, count in errors.items():
        reasons[said.rsplit(" ", 1)[-1]] += count
    told = [f"{reason} {count}" for reason, count in reasons.most_common(TOLD)]
    return ", ".join([*told, "…"] if len(reasons) > TOLD else told) or "none"
