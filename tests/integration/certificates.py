"""Certificates for a test, by the authority that the product makes them with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from a2a_node.access.authority import Pair, fresh_authority

__all__ = ["Authority", "Pair"]


class Authority:
    """Signs certificates that are good for an hour."""

    def __init__(self) -> None:
        self._authority, _ = fresh_authority("tests")
        self.root = self._authority.root

    def signed(self, *names: x509.GeneralName) -> Pair:
        """A key and a certificate for those names."""
        return self._authority.signed(names, timedelta(hours=1))

    def laid(self, folder: Path, name: str, names: Sequence[x509.GeneralName]) -> tuple[Path, Path, Path]:
        """Key, certificate and root as files, those that were there replaced as a whole."""
        pair = self.signed(*names)
        contents = {f"{name}.key": pair.key, f"{name}.crt": pair.certificate, f"{name}.ca": self.root}
        for file, content in contents.items():
            draft = folder / f"{file}.draft"
            draft.write_bytes(content)
            draft.rename(folder / file)
        return folder / f"{name}.key", folder / f"{name}.crt", folder / f"{name}.ca"
