"""Templates that are printed read as the same again, and fit the schema that is published."""

from __future__ import annotations

import json
from typing import cast

import pytest
from hypothesis import given, settings

from a2a_node.model.workflows import Template
from a2a_node.workflows.printing import document, printed
from a2a_node.workflows.schema import template_schema
from a2a_node.workflows.schemas import schema_fault, value_faults
from a2a_node.workflows.shelf import built_in
from a2a_node.workflows.source import read_source
from tests.unit.workflows.samples import RELEASE, found, read, rules, templates

FORM = frozenset(("unknown-key", "missing-key", "bad-value", "bad-name", "no-work", "bad-source"))


@settings(max_examples=25, deadline=None)
@given(templates())
def test_what_is_printed_reads_as_it_was(template: Template) -> None:
    """Any template."""
    assert read(printed(template)) == template


@settings(max_examples=25, deadline=None)
@given(templates())
def test_every_template_fits_the_published_schema(template: Template) -> None:
    """As it is printed."""
    assert value_faults(template_schema(), document(template)) == ()


def test_a_template_that_was_written_by_hand_survives_printing() -> None:
    """And the schema takes it as it was written."""
    template = read(RELEASE)
    assert read(printed(template)) == template
    assert value_faults(template_schema(), read_source(RELEASE).value) == ()


@pytest.mark.parametrize("name", built_in())
def test_the_schema_takes_every_built_in_template(name: str) -> None:
    """As it lies in its file."""
    assert value_faults(template_schema(), read_source(built_in()[name]).value) == ()


def test_the_schema_is_one_and_takes_what_the_reader_takes() -> None:
    """The least that a template can say."""
    assert schema_fault(template_schema()) == ""
    assert value_faults(template_schema(), {"name": "t", "steps": {"a": {"agent": "b"}}}) == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "t", "steps": {"a": {"agent": "b"}}, "more": 1},
        {"name": "T", "steps": {"a": {"agent": "b"}}},
        {"name": "t", "steps": {}},
        {"name": "t", "steps": {"A": {"agent": "b"}}},
        {"name": "t", "steps": {"a": {}}},
        {"name": "t", "steps": {"a": {"agent": "b", "workflow": "c"}}},
        {"name": "t", "steps": {"a": {"agent": "b", "retries": 1}}},
        {"name": "t", "steps": {"a": {"agent": "b", "timeout": "soon"}}},
        {"name": "t", "steps": {"a": {"agent": "b", "on_failure": "shrug"}}},
        {"name": "t", "steps": {"a": {"approval": {}}}},
        {"name": "t", "steps": {"a": {"agent": "b", "retry": {"attempts": 21}}}},
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(bad: dict[str, object]) -> None:
    """Unknown keys, steps that do nothing or two things, names that are none."""
    assert value_faults(template_schema(), bad)
    assert set(rules(json.dumps(bad))) & FORM


def test_the_schema_and_the_reader_know_the_same_keys() -> None:
    """Of a template, an input and a step, as the reader says when it is asked for another one."""
    properties = cast("dict[str, dict[str, dict[str, object]]]", template_schema()["properties"])
    published = {
        "more": set(properties),
        "inputs.a.more": set(cast("dict[str, object]", properties["inputs"]["additionalProperties"]["properties"])),
        "steps.a.more": set(cast("dict[str, object]", properties["steps"]["additionalProperties"]["properties"])),
    }
    source = {"name": "t", "zzz": 1, "inputs": {"a": {"zzz": 1}}, "steps": {"a": {"agent": "b", "zzz": 1}}}
    told = [problem.message for problem in found(json.dumps(source))]
    known = {
        message.split(" is no key")[0].replace("zzz", "more"): set(message.rpartition("it can have ")[2].split(", "))
        for message in told
    }
    assert known == published
