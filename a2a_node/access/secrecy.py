"""How private keys are written down where others could read them: encrypted with the mesh's secret, if it has one."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from a2a_node.model.errors import SettingInvalid


class Secrecy:
    """Private keys to text and back. An empty secret encrypts nothing."""

    def __init__(self, secret: str = "") -> None:
        self._secret = secret.encode()

    def sealed(self, key: PrivateKeyTypes) -> str:
        """PEM of a private key."""
        encryption = BestAvailableEncryption(self._secret) if self._secret else NoEncryption()
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()

    def opened(self, text: str) -> PrivateKeyTypes:
        """The private key of a PEM; SettingInvalid when it is encrypted with another secret."""
        encrypted = "ENCRYPTED" in text.partition("\n")[0]
        if encrypted and not self._secret:
            raise SettingInvalid("mesh_passphrase", "is needed: the keys of this mesh are encrypted with one")
        try:
            return load_pem_private_key(text.encode(), self._secret if encrypted else None)
        except ValueError:
            why = "is not the one that the keys of this mesh are encrypted with"
            raise SettingInvalid("mesh_passphrase", why) from None
