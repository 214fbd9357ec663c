"""A client that a generator makes from the document calls a node: nobody wrote it for this node."""

from __future__ import annotations

import json

from tests.e2e import tools
from tests.e2e.nodes import RunningNode


def test_a_generated_client_in_typescript_calls_the_node(node: RunningNode) -> None:
    """Lists, calls, ids that need quotes, failures, both ways to say who asks, and a stream."""
    said = json.loads(tools.run("node", str(tools.typescript_api_client()), node.http, node.key))
    assert "echo" in said["agents"]
    assert (said["text"], said["ok"], said["turnedAway"]) == ("hello", True, 401)
    assert int(said["counted"]) >= 3
    assert (said["refused"]["status"], said["refused"]["error"]["reason"]) == (404, "AGENT_NOT_FOUND")
    assert said["events"] == 4
    assert said["last"] == "event: end\ndata: {}"
