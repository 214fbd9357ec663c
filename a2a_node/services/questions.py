"""What every RPC tells the layers before they decide: what is asked, and what the audit names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from google.protobuf.message import Message

from a2a_node.model.call import Call
from a2a_node.services import agent
from a2a_node.services.targets import TARGETS

Question = Callable[..., None]


def questions(fresh: Callable[[], str]) -> Mapping[str, Question]:
    """By the RPC; an RPC that says both does both. `fresh` makes the ids of calls whose callers name none."""
    asked = agent.questions(fresh)
    both = {method: _both(asked[method], TARGETS[method]) for method in asked.keys() & TARGETS.keys()}
    return {**TARGETS, **asked, **both}


def _both(first: Question, then: Question) -> Question:
    def ask(request: Message | None, call: Call) -> None:
        first(request, call)
        then(request, call)

    return ask
