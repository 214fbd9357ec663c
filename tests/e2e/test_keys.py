"""Keys, tokens and TLS as people use them: real processes, secrets printed once and found nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509

from tests.e2e.nodes import A2A_NODE, RunningNode, running_node
from tests.e2e.processes import executed
from tests.integration.certificates import Authority

HELLO = '{"text": "hello"}'


def run(environ: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """A command, to its end."""
    command = [str(A2A_NODE), *words]
    return subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, timeout=60, check=False)


def test_a_key_is_made_used_and_ended(node: RunningNode) -> None:
    """And a token under it; what was ended is refused with a word of why."""
    made = run(node.environ, "keys", "create", "laptop", "--for", "person:kim", "--ttl", "600")
    secret = made.stdout.strip()
    assert secret.startswith("a2a_")
    key_id = secret.split("_")[1]
    given = [
        json.loads(run(node.environ, "grants", "add", "person:kim", one, "--json").stdout)["id"]
        for one in ("agent:echo:invoke", "access:token")
    ]
    kim = {**node.environ, "A2A_KEY": secret}
    assert json.loads(run(kim, "call", "echo", "say", HELLO).stdout) == {"text": "hello"}
    token = run(kim, "token", "--ttl", "60").stdout.strip()
    bearer = {**node.environ, "A2A_KEY": token}
    assert json.loads(run(bearer, "call", "echo", "say", HELLO).stdout) == {"text": "hello"}
    assert key_id in run(node.environ, "keys", "list", "--of", "person:kim").stdout
    assert run(node.environ, "keys", "revoke", key_id).stdout == "revoked\n"
    for ended in (kim, bearer):
        refused = run(ended, "call", "echo", "say", HELLO)
        assert (refused.returncode, "[UNAUTHENTICATED]" in refused.stderr) == (1, True)
    for grant in given:
        run(node.environ, "grants", "revoke", grant)
    for hidden in (secret.rpartition("_")[2], token):
        assert hidden not in node.program.output


def test_a_node_is_met_by_tls_from_the_command_line(data_dir: Path, tmp_path: Path) -> None:
    """By the authority that a variable names; in the clear nobody is met."""
    key, certificate, ca = Authority().laid(tmp_path, "node", [x509.DNSName("localhost")])
    with running_node(data_dir, "--tls-cert", str(certificate), "--tls-key", str(key), start=executed) as node:
        address = f"localhost:{node.address.rpartition(':')[2]}"
        environ = {"A2A_ADDRESS": address, "A2A_KEY": node.key}
        met = run({**environ, "A2A_TLS_CA": str(ca)}, "call", "echo", "say", HELLO)
        assert json.loads(met.stdout) == {"text": "hello"}, met.stderr
        refused = run(environ, "call", "echo", "say", HELLO)
        assert (refused.returncode, "[NODE_UNREACHABLE]" in refused.stderr) == (1, True)
        assert '-cacert "$A2A_TLS_CA"' in node.program.output


def test_an_address_that_others_reach_is_refused_unless_it_is_said_twice(data_dir: Path) -> None:
    """With what to do about it; said twice, the node listens there."""
    once = run({}, "up", "--data-dir", str(data_dir), "--host", "0.0.0.0", "--insecure-bind")  # noqa: S104 - refused
    assert (once.returncode, "--insecure-bind-confirm 0.0.0.0" in once.stderr) == (64, True)
    twice = ("--host", "0.0.0.0", "--insecure-bind", "--insecure-bind-confirm", "0.0.0.0")  # noqa: S104 - for the test
    with running_node(data_dir, *twice, start=executed) as node:
        address = f"127.0.0.1:{node.address.rpartition(':')[2]}"
        assert run({"A2A_ADDRESS": address, "A2A_KEY": node.key}, "agents").returncode == 0
