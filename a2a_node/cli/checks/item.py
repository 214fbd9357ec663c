"""One item of the production checklist that a program can check: a function that decides, and its name there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from a2a_node.cli.checks.finding import Finding, State, warn

Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an item stands, what is so, and what to do about it."""

    state: State
    message: str
    advice: str


@dataclass(frozen=True, slots=True)
class Item(Generic[Facts]):
    """An item, named as its section in the checklist is."""

    name: str
    decide: Callable[[Facts], Verdict]

    def __call__(self, facts: Facts) -> Finding:
        """What these facts mean; advice only where something is to be done."""
        verdict = self.decide(facts)
        return Finding(self.name, verdict.state, verdict.message, "" if verdict.state is State.OK else verdict.advice)

    def unseen(self, why: str) -> Finding:
        """It could not be looked at, which is no good sign and no proof."""
        return unseen(self.name, why)


def unseen(name: str, why: str) -> Finding:
    """An item that could not be looked at."""
    return warn(name, f"not looked at: {why}", "see to that, and ask again; or check it by hand")


def item(decide: Callable[[Facts], Verdict]) -> Item[Facts]:
    """The item that a function decides, named like it."""
    return Item(decide.__name__.replace("_", "-"), decide)


def needs(met: bool, message: str, advice: str) -> Verdict:  # noqa: FBT001 - what is needed comes first, as in assert
    """A mesh must not go into production without it."""
    return Verdict(State.OK if met else State.FAIL, message, advice)


def wants(met: bool, message: str, advice: str) -> Verdict:  # noqa: FBT001 - as above
    """A mesh does well to have it, and somebody may have a reason not to."""
    return Verdict(State.OK if met else State.WARN, message, advice)
