"""Certificates: an authority, and what it signs. The mesh has one of its own, so that nothing has to be set up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BEFORE = timedelta(minutes=5)  # for clocks that differ
DAYS = 3650  # of an authority
BOTH_SIDES = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
SIGNING = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A private key, its certificate, and until when it is good; PEM."""

    key: bytes = field(repr=False)
    certificate: bytes
    until: datetime


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates; `root` is its own, PEM."""

    root: bytes
    key: CertificateIssuerPrivateKeyTypes = field(repr=False)

    def signed(self, names: Sequence[x509.GeneralName], lifetime: timedelta) -> Pair:
        """A new key and a certificate for those names, good for both sides of a connection."""
        key, root = generate_private_key(SECP256R1()), x509.load_pem_x509_certificate(self.root)
        until = min(datetime.now(UTC) + lifetime, root.not_valid_after_utc)
        built = (
            _built(_common("a2a-node"), root.subject, until)
            .public_key(key.public_key())
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(BOTH_SIDES, critical=False)
        )
        certificate = built.sign(self.key, SHA256()).public_bytes(Encoding.PEM)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Pair(private, certificate, until)


def fresh_authority(name: str) -> tuple[Authority, EllipticCurvePrivateKey]:
    """A new authority, and its key."""
    key, common = generate_private_key(SECP256R1()), _common(name)
    built = (
        _built(common, common, datetime.now(UTC) + timedelta(days=DAYS))
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(SIGNING, critical=True)
    )
    return Authority(built.sign(key, SHA256()).public_bytes(Encoding.PEM), key), key


def names_of(uri: str, *hosts: str) -> list[x509.GeneralName]:
    """What a certificate is for: a SPIFFE id, and hosts by name or address."""
    return [x509.UniformResourceIdentifier(uri), *(_host(host) for host in dict.fromkeys(hosts))]


def fits(key: bytes, certificate: bytes) -> str:
    """Why a private key and a certificate do not belong together, or cannot be read; empty where they do."""
    try:
        private, public = load_pem_private_key(key, None), x509.load_pem_x509_certificate(certificate).public_key()
    except (ValueError, TypeError) as error:
        return f"cannot be read: {str(error)[:120]}"
    return "" if private.public_key() == public else "do not belong together"


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _common(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _built(subject: x509.Name, issuer: x509.Name, until: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - BEFORE)
        .not_valid_after(until)
    )
