"""Where a setting that is a secret comes from: how its value begins says which source has it.

`file:PATH` is a file, `vault:MOUNT/PATH#FIELD` a field of a secret in Vault's KV engine, version 2; what else is the
secret itself. Settings are read once, at the start of a command: what is exchanged later is known after the next one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import hvac

BYTES = 64 * 1024  # of a secret at most
PATIENCE = 10.0  # seconds for an answer of Vault
IDENTITY = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")  # who a pod is, as Kubernetes mounts it


class SecretUnreadable(ValueError):
    """A source has no such secret; says which and why, never what others hold."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")


class Source(Protocol):
    """Keeps secrets."""

    def read(self, place: str) -> str:
        """The secret at the place; SecretUnreadable says why there is none."""


class Files:
    """A file for each secret, as Docker and Kubernetes mount them; the line's end at its end is not part of it."""

    def read(self, place: str) -> str:
        """What the file says, at most 64 KiB of UTF-8."""
        try:
            with Path(place).expanduser().open("rb") as file:
                content = file.read(BYTES + 1)
            text = content.decode()
        except OSError as error:
            raise SecretUnreadable(f"file:{place}", error.strerror or "it cannot be read") from None
        except UnicodeDecodeError:
            raise SecretUnreadable(f"file:{place}", "it is not UTF-8 text") from None
        if len(content) > BYTES:
            raise SecretUnreadable(f"file:{place}", f"it is longer than {BYTES} bytes")
        return text.removesuffix("\n").removesuffix("\r")


class Vault:
    """HashiCorp's Vault, or what speaks like it; found by its own variables, and asked once for each path.

    `VAULT_ADDR`, `VAULT_NAMESPACE` and `VAULT_CACERT` say where it is. `VAULT_TOKEN` says who asks, or `A2A_VAULT_ROLE`
    does, with the identity of this pod, at the mount `A2A_VAULT_AUTH` (`kubernetes` when absent).
    """

    def __init__(self, environment: Mapping[str, str] = os.environ, identity: Path = IDENTITY) -> None:
        self._environment, self._identity = environment, identity
        self._client: hvac.Client | None = None
        self._read: dict[str, Mapping[str, object]] = {}

    def read(self, place: str) -> str:
        """A field of a secret, such as `secret/mesh#postgres_url`: the engine's mount, the path, the field."""
        path, _, field = place.partition("#")
        mount, _, inner = path.partition("/")
        if not (mount and inner and field):
            raise SecretUnreadable(f"vault:{place}", "it must look like vault:MOUNT/PATH#FIELD")
        if path not in self._read:
            self._read[path] = self._asked(place, mount, inner)
        value = self._read[path].get(field)
        if not isinstance(value, str):
            raise SecretUnreadable(f"vault:{place}", "the secret has no such field, or it is no text")
        return value

    def _asked(self, place: str, mount: str, path: str) -> Mapping[str, object]:
        try:
            import hvac.exceptions  # noqa: PLC0415 - only those who keep secrets in Vault need it
            import requests  # noqa: PLC0415
        except ImportError:
            raise SecretUnreadable(f"vault:{place}", "it needs hvac: pip install 'a2a-node[vault]'") from None
        try:
            self._client = self._client or self._logged_in()
            answer = self._client.secrets.kv.v2.read_secret_version(
                path, mount_point=mount, raise_on_deleted_version=True
            )
        except hvac.exceptions.VaultError as error:
            raise SecretUnreadable(f"vault:{place}", f"Vault answers {type(error).__name__}") from None
        except (requests.RequestException, OSError) as error:
            raise SecretUnreadable(f"vault:{place}", f"Vault cannot be asked: {type(error).__name__}") from None
        found: Mapping[str, object] = answer["data"]["data"]
        return found

    def _logged_in(self) -> hvac.Client:
        import hvac  # noqa: PLC0415

        known = self._environment.get
        client = hvac.Client(
            known("VAULT_ADDR"),
            known("VAULT_TOKEN"),
            namespace=known("VAULT_NAMESPACE"),
            verify=known("VAULT_CACERT") or True,
            timeout=PATIENCE,
        )
        role = known("A2A_VAULT_ROLE")
        if role and not known("VAULT_TOKEN"):
            client.auth.kubernetes.login(
                role, self._identity.read_text(), mount_point=known("A2A_VAULT_AUTH", "kubernetes")
            )
        return client


SOURCES: Mapping[str, Source] = {"file": Files(), "vault": Vault()}


def secret(said: str, sources: Mapping[str, Source] = SOURCES) -> str:
    """The secret that a value names, or is; SecretUnreadable when it names one that is not to be had."""
    source, colon, place = said.partition(":")
    return sources[source].read(place) if colon and source in sources else said
