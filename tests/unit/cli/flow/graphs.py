"""Graphs of steps that tests draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import strategies as st

from a2a_node.cli.flow.boxes import Box, boxes
from a2a_node.model.workflows import AgentCall, Template, TemplateStep

CALL = AgentCall("worker", "do")


def template(needs: Mapping[str, Sequence[str]]) -> Template:
    """A template of steps that need these."""
    return Template("t", steps=tuple(TemplateStep(name, CALL, needs=tuple(before)) for name, before in needs.items()))


def drawn(needs: Mapping[str, Sequence[str]]) -> Sequence[Box]:
    """The boxes of the same."""
    return boxes(template(needs))


@st.composite
def graphs(draw: st.DrawFn, most: int = 30) -> Mapping[str, Sequence[str]]:
    """Steps, each with needs among those before it."""
    count = draw(st.integers(1, most))
    names = [f"s{number}" for number in range(count)]
    return {
        name: draw(st.lists(st.sampled_from(names[:number]), unique=True, max_size=4)) if number else []
        for number, name in enumerate(names)
    }
