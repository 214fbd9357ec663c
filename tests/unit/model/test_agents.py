"""Descriptors check themselves, whoever brings them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from a2a_node.model.agents import AgentCapability, AgentDescriptor
from a2a_node.model.errors import CapabilityNotFound, InvalidInput

GOOD = AgentDescriptor("a", capabilities=(AgentCapability("say"), AgentCapability("sing")))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "agent.name"),
        ({"name": "Upper"}, "agent.name"),
        ({"name": "x" * 64}, "agent.name"),
        ({"version": "1" * 64}, "agent.version"),
        ({"description": "d" * 2001}, "agent.description"),
        ({"category": "?"}, "agent.category"),
        ({"tags": ("ok", "not ok")}, "agent.tags[1]"),
        ({"tags": ("t",) * 33}, "agent.tags"),
        ({"config": {"x": "y" * 70_000}}, "agent.config"),
        ({"capabilities": ()}, "agent.capabilities"),
        ({"capabilities": (AgentCapability("say"), AgentCapability("say"))}, "agent.capabilities[1].name"),
        ({"capabilities": (AgentCapability(""),)}, "agent.capabilities[0].name"),
        ({"capabilities": (AgentCapability("say", calls=("b", "B!")),)}, "agent.capabilities[0].calls[1]"),
        ({"capabilities": (AgentCapability("say", calls=("b",) * 101),)}, "agent.capabilities[0].calls"),
        *(
            ({"capabilities": (capability,)}, "agent.capabilities[0].hedging_delay")
            for capability in (
                AgentCapability("say", hedging_delay=0.05),
                AgentCapability("say", hedging_delay=0.05, idempotent=True, streams_output=True),
                AgentCapability("say", hedging_delay=0.05, idempotent=True, streams_input=True),
                AgentCapability("say", hedging_delay=-0.05, idempotent=True),
                AgentCapability("say", hedging_delay=0.0005, idempotent=True),
                AgentCapability("say", hedging_delay=3601, idempotent=True),
                AgentCapability("say", hedging_delay=float("nan"), idempotent=True),
            )
        ),
    ],
    ids=str,
)
def test_the_first_field_that_is_wrong_is_named(changes: dict[str, object], field: str) -> None:
    """As the contract spells it."""
    with pytest.raises(InvalidInput) as refused:
        replace(GOOD, **changes).checked()  # type: ignore[arg-type]
    assert refused.value.violations[0][0] == field


def test_a_good_descriptor_is_itself() -> None:
    """Nothing is changed."""
    assert GOOD.checked() is GOOD


def test_the_only_capability_needs_no_name() -> None:
    """With several it does, and the refusal lists them."""
    assert replace(GOOD, capabilities=(AgentCapability("say"),)).capability("").name == "say"
    with pytest.raises(CapabilityNotFound, match="say, sing"):
        GOOD.capability("")
