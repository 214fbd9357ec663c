"""Certificates for a test: an authority, and what it signs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Pair:
    """A private key and its certificate, PEM."""

    key: bytes
    certificate: bytes


class Authority:
    """Signs certificates that are good for an hour."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        basic = x509.BasicConstraints(ca=True, path_length=0)
        self._certificate = self._built(self._name, self._key.public_key()).add_extension(basic, critical=True)
        self.root = self._certificate.sign(self._key, SHA256()).public_bytes(Encoding.PEM)

    def signed(self, *names: x509.GeneralName) -> Pair:
        """A key and a certificate for those names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
        built = self._built(subject, key.public_key()).add_extension(x509.SubjectAlternativeName(names), critical=False)
        return Pair(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            built.sign(self._key, SHA256()).public_bytes(Encoding.PEM),
        )

    def _built(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(hours=1))
        )
