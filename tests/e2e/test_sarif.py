"""SARIF against the schema that OASIS has published, beside our own of the part that we write."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs

from a2a_node.ops.reporter.agent import Written, made
from tests.e2e.tools import sarif_schema
from tests.unit.ops.asking import answer
from tests.unit.ops.places import workplace
from tests.unit.ops.reporter.test_reporter import said

# A bracket that opens nowhere, which its second edition corrects: it is no regular expression to all who read it.
MISPRINT = ("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$")


async def test_a_report_is_valid_by_the_published_schema(tmp_path: Path) -> None:
    """With findings in files and in packages; and what it does not allow is noticed."""
    schema = json.loads(sarif_schema().read_text(encoding="utf-8").replace(*MISPRINT))
    written = await answer(made(workplace(tmp_path)), "report", said(), Written)
    log = json.loads((tmp_path / "workspace" / written.sarif).read_text(encoding="utf-8"))
    valid = jsonschema_rs.Draft4Validator(schema)
    valid.validate(log)
    assert len(log["runs"]) > 1
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert [list(error.instance_path) for error in valid.iter_errors(log)] == [["runs", 0, "results", 0, "level"]]
