"""Secrets in Vault, over HTTP: the paths, headers and answers of its KV engine, and of its log-in for pods."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from a2a_node.secret_sources import SecretUnreadable, Vault, secret

KEPT = {"data": {"data": {"postgres_url": "postgresql://ann:pw@db/mesh", "port": 5432}, "metadata": {"version": 3}}}
TOKEN, POD = "token-of-the-operator", "identity of a pod"


@dataclass
class Kept:
    """A server that keeps one secret, and what it was asked."""

    address: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def keeping() -> Iterator[Kept]:
    """Serve until the block ends."""
    kept = Kept()

    class Answers(BaseHTTPRequestHandler):
        """Who has a token reads; a pod gets one for its identity and a role."""

        def do_GET(self) -> None:
            kept.asked.append(self.path)
            allowed = self.headers.get("X-Vault-Token") in (TOKEN, "token-of-the-pod")
            if not allowed:
                self.answer(403, {"errors": ["permission denied"]})
            elif self.path == "/v1/secret/data/teams/mesh":
                self.answer(200, KEPT)
            else:
                self.answer(404, {"errors": []})

        def do_POST(self) -> None:
            kept.asked.append(self.path)
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = self.path == "/v1/auth/cluster/login" and said == {"role": "node", "jwt": POD}
            auth = {"auth": {"client_token": "token-of-the-pod"}}
            self.answer(200 if known else 400, auth if known else {"errors": ["invalid role name"]})

        def answer(self, status: int, body: object) -> None:
            said = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        kept.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield kept
        finally:
            server.shutdown()
            thread.join()


def test_a_field_of_a_secret_is_read_and_its_path_asked_once() -> None:
    """With a token of the operator's."""
    with keeping() as kept:
        sources = {"vault": Vault({"VAULT_ADDR": kept.address, "VAULT_TOKEN": TOKEN})}
        assert secret("vault:secret/teams/mesh#postgres_url", sources) == "postgresql://ann:pw@db/mesh"
        with pytest.raises(SecretUnreadable, match="no such field, or it is no text"):
            secret("vault:secret/teams/mesh#port", sources)
        assert kept.asked == ["/v1/secret/data/teams/mesh"]


def test_a_pod_proves_who_it_is(tmp_path: Path) -> None:
    """With the identity that Kubernetes gives it."""
    identity = tmp_path / "token"
    identity.write_text(POD)
    with keeping() as kept:
        told = {"VAULT_ADDR": kept.address, "A2A_VAULT_ROLE": "node", "A2A_VAULT_AUTH": "cluster"}
        assert Vault(told, identity).read("secret/teams/mesh#postgres_url") == "postgresql://ann:pw@db/mesh"
        with pytest.raises(SecretUnreadable, match="Vault answers InvalidRequest"):
            Vault({**told, "A2A_VAULT_ROLE": "other"}, identity).read("secret/teams/mesh#postgres_url")


@pytest.mark.parametrize(
    ("token", "path", "why"), [("wrong", "teams/mesh", "Forbidden"), (TOKEN, "none", "InvalidPath")]
)
def test_what_vault_refuses_is_said_without_its_words(token: str, path: str, why: str) -> None:
    """And without the token."""
    with keeping() as kept, pytest.raises(SecretUnreadable, match=f"Vault answers {why}") as refused:
        Vault({"VAULT_ADDR": kept.address, "VAULT_TOKEN": token}).read(f"secret/{path}#x")
    assert token not in str(refused.value)


def test_a_vault_that_is_not_there_is_said_to_be_away(tmp_path: Path) -> None:
    """Nobody listens at its address, and no identity is mounted."""
    with keeping() as kept:
        gone = kept.address
    with pytest.raises(SecretUnreadable, match="Vault cannot be asked: ConnectionError"):
        Vault({"VAULT_ADDR": gone, "VAULT_TOKEN": TOKEN}).read("secret/mesh#x")
    with pytest.raises(SecretUnreadable, match="Vault cannot be asked: FileNotFoundError"):
        Vault({"VAULT_ADDR": gone, "A2A_VAULT_ROLE": "node"}, tmp_path / "absent").read("secret/mesh#x")
