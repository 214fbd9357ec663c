"""Certificates and private keys in files: how long they hold, whom they name, and who may read them."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from a2a_node.cli.checks.finding import Finding
from a2a_node.cli.checks.item import Item, Verdict, item, needs, wants
from a2a_node.model.places import KEY_FILE
from a2a_node.settings import Settings, is_loopback

LEAST = timedelta(days=30)
OTHERS, GROUP = 0o007, 0o070  # bits of a file's mode


@dataclass(frozen=True, slots=True)
class Files:
    """What was read of them; a file that cannot be read is among the unreadable ones, with the reason."""

    now: datetime
    ends: Mapping[Path, datetime] = field(default_factory=dict)  # of each certificate, of chains the earliest
    modes: Mapping[Path, int] = field(default_factory=dict)  # of each private key
    unpaired: Sequence[Path] = ()  # certificates that are not those of their keys
    names: Sequence[str] = ()  # that the certificate of the clients' door is for
    address: str = ""  # where others find the node; empty where only this machine does
    unreadable: Mapping[Path, str] = field(default_factory=dict)


@item
def certificate_files(files: Files) -> Verdict:
    """The node itself keeps the old ones when it cannot read the new ones."""
    wrong = [f"{path}: {why}" for path, why in files.unreadable.items()]
    return needs(not wrong, "; ".join(wrong) or "all can be read", "correct the files, or run this as the node's user")


@item
def certificate_expiry(files: Files) -> Verdict:
    """Somebody has to have the time to renew them."""
    left = {path: end - files.now for path, end in files.ends.items()}
    message = ", ".join(f"{path} ends in {span.days} days" for path, span in left.items())
    message = message or "the node has no certificates but those that it renews by itself"
    return needs(all(span > LEAST for span in left.values()), message, "renew it: files are read when they change")


@item
def certificate_keys(files: Files) -> Verdict:
    """A half-exchanged pair serves nobody."""
    wrong = ", ".join(map(str, files.unpaired))
    return needs(
        not wrong, f"not for its key: {wrong}" if wrong else "each is for its key", "put key and certificate together"
    )


@item
def certificate_names(files: Files) -> Verdict:
    """Clients check whom they reached."""
    message = (
        f"the clients' door is for {', '.join(files.names) or 'no name'}, and found at {files.address or 'loopback'}"
    )
    named = not files.names or not files.address or files.address in files.names
    return wants(named, message, "have it issued for A2A_ADVERTISE_HOST, too")


@item
def key_files(files: Files) -> Verdict:
    """Who reads a private key is the node."""
    open_to = {path: mode for path, mode in files.modes.items() if mode & (OTHERS | GROUP)}
    message = ", ".join(f"{path} has mode {mode:04o}" for path, mode in open_to.items()) or "all are private"
    decide = needs if any(mode & OTHERS for mode in open_to.values()) else wants
    return decide(not open_to, message, "chmod 600, and give it to the node's user")


CHECKS: Sequence[Item[Files]] = (certificate_files, certificate_expiry, certificate_keys, certificate_names, key_files)


def on_files(settings: Settings) -> Sequence[Finding]:
    """All findings about certificates and keys that these settings name, and about the development key."""
    files = read(settings, datetime.now(UTC))
    return [check(files) for check in CHECKS]


def read(settings: Settings, now: datetime) -> Files:
    """What the files say."""
    pairs = [(settings.tls_cert, settings.tls_key), (settings.peer_cert, settings.peer_key)]
    given = [(certificate, key) for certificate, key in pairs if certificate and key]
    authorities = [file for file in (settings.tls_client_ca, settings.peer_ca) if file]
    keys = [*(key for _, key in given), settings.data_dir / KEY_FILE]
    wrong: dict[Path, str] = {}
    chains = {file: _chain(file, wrong) for file in (*(certificate for certificate, _ in given), *authorities)}
    return Files(
        now,
        {file: min(each.not_valid_after_utc for each in chain) for file, chain in chains.items() if chain},
        {key: stat.S_IMODE(key.stat().st_mode) for key in keys if key.exists()},
        [file for file, key in given if chains[file] and not _is_pair(chains[file][0], key, wrong)],
        _names(chains[settings.tls_cert]) if settings.tls_cert else (),
        _found_at(settings),
        wrong,
    )


def _chain(file: Path, wrong: dict[Path, str]) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        wrong[file] = error.strerror or "cannot be read"
    except ValueError:
        wrong[file] = "is no certificate in PEM"
    return ()


def _is_pair(certificate: x509.Certificate, key: Path, wrong: dict[Path, str]) -> bool:
    """Whether they belong together; a key that cannot be read is told elsewhere."""
    try:
        public = load_pem_private_key(key.read_bytes(), None).public_key()
    except OSError as error:
        wrong[key] = error.strerror or "cannot be read"
        return True
    except (ValueError, TypeError):
        wrong[key] = "is no private key in PEM without a passphrase"
        return True
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return public.public_bytes(*form) == certificate.public_key().public_bytes(*form)


def _names(chain: Sequence[x509.Certificate]) -> Sequence[str]:
    if not chain:
        return ()
    try:
        names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = names.get_values_for_type(x509.IPAddress)
    return [*names.get_values_for_type(x509.DNSName), *map(str, addresses)]


def _found_at(settings: Settings) -> str:
    address = settings.advertise_host or settings.host
    return "" if is_loopback(address) or address in ("0.0.0.0", "::") else address  # noqa: S104 - nobody listens here
