"""What a node shows at its doors: certificates from files, read again when they change, or from the mesh itself.

The mesh's own authority is made by whichever node starts first and lies in Postgres, so that all nodes of a mesh trust
each other without any set-up. Every node signs itself a certificate for a day, and another one long before that ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from a2a_node.access.authority import Authority, Pair, fits, fresh_authority, names_of
from a2a_node.access.keyring import KnownKeyring
from a2a_node.access.secrecy import Secrecy
from a2a_node.access.spiffe import Spiffe
from a2a_node.mesh.background import background
from a2a_node.model.errors import SettingInvalid, StoreUnavailable
from a2a_node.model.key_ports import Keys
from a2a_node.model.keys import Purpose, SigningKey
from a2a_node.model.names import fresh_uuid
from a2a_node.model.principal import Principal
from a2a_node.store.files import write_private

log = structlog.get_logger()

LIFETIME = timedelta(hours=24)  # of a node's certificate
RENEWAL = timedelta(hours=16)  # what must be left of it
LOOK = 600.0  # seconds between looks at it
YEAR = 365 * 86_400.0
ROOT_FILE, CERTIFICATE_FILE, KEY_FILE = "ca.crt", "node.crt", "node.key"


@dataclass(frozen=True, slots=True)
class Shown:
    """A private key with its certificate, and the authorities that the other side is checked by; PEM."""

    key: bytes = field(repr=False)
    certificate: bytes
    roots: bytes = b""


class Shows(Protocol):
    """What is to be shown now."""

    def now(self) -> Shown:
        """The same object while nothing has changed. It may be asked from any thread, and never fails."""


class FromFiles:
    """Certificates of the operator's own; SettingInvalid names the setting of files that cannot be used at first."""

    def __init__(self, files: Sequence[Path], settings: str) -> None:
        """Key, certificate and, where the other side is to be checked, its authorities."""
        self._files, self._settings = files, settings
        self._stamps = self._stamps_now()
        try:
            self._shown = self._read()
        except (OSError, ValueError) as error:
            raise SettingInvalid(settings, str(error)) from None

    def now(self) -> Shown:
        """What the files hold; what they held before while they cannot be used."""
        stamps = self._stamps_now()
        if stamps != self._stamps:
            self._stamps = stamps
            try:
                self._shown = self._read()
            except (OSError, ValueError) as error:
                why = str(error)
                log.warning("certificates cannot be used; going on with those before", of=self._settings, why=why)
        return self._shown

    def _read(self) -> Shown:
        key, certificate, *roots = (file.read_bytes() for file in self._files)
        if fault := fits(key, certificate):
            raise ValueError(f"{self._files[0]} and {self._files[1]} {fault}")
        return Shown(key, certificate, b"".join(roots))

    def _stamps_now(self) -> Sequence[object]:
        return [_stamp(file) for file in self._files]


class OfMesh:
    """The node's own certificate by the mesh's authority; made by `renewed`."""

    def __init__(self, name: str, keyring: KnownKeyring, sign: Callable[[], Pair]) -> None:
        self.name = name  # what the other side finds in the certificate, whatever address it dials
        self._keyring, self._sign = keyring, sign
        self._pair = sign()
        self._shown = self._made()

    @classmethod
    @asynccontextmanager
    async def renewed(cls, node: str, hosts: Sequence[str], spiffe: Spiffe, vault: Vault) -> AsyncIterator[OfMesh]:
        """Keep the certificate fresh until the block ends; StoreUnavailable, SettingInvalid for another secret."""
        name = dns_name(node, spiffe)
        names = names_of(spiffe.id_of(Principal("node", node)), name, *hosts)
        await vault.open()
        shows = cls(name, vault.keyring, lambda: vault.authority.signed(names, LIFETIME))
        vault.keyring.listen(shows.refresh)
        shows.write(vault.data_dir)
        async with background(lambda: shows.keep(vault)):
            yield shows

    def now(self) -> Shown:
        """The certificate as it is now."""
        return self._shown

    def refresh(self) -> None:
        """Take in which authorities there are."""
        made = self._made()
        if made != self._shown:
            self._shown = made

    def write(self, data_dir: Path) -> None:
        """Lay it down where people find it, with mode 0600."""
        write_private(data_dir / KEY_FILE, self._shown.key.decode())
        write_private(data_dir / CERTIFICATE_FILE, self._shown.certificate.decode())
        write_private(data_dir / ROOT_FILE, self._shown.roots.decode())

    async def keep(self, vault: Vault) -> None:
        """Renew it in time, for ever."""
        while True:
            await asyncio.sleep(LOOK)
            with suppress(StoreUnavailable):  # the authority at hand is good for long
                await vault.open()
            if self._pair.until - datetime.now(UTC) < RENEWAL:
                self._pair = self._sign()
                self.refresh()
                self.write(vault.data_dir)

    def _made(self) -> Shown:
        signing = self._keyring.book.signing.values()
        roots = [key.public for key in signing if key.purpose is Purpose.NODES]
        return Shown(self._pair.key, self._pair.certificate, "".join(roots).encode())


class Vault:
    """Where the mesh's authority is kept."""

    def __init__(self, store: Keys, keyring: KnownKeyring, secrecy: Secrecy, data_dir: Path) -> None:
        self._store, self._secrecy = store, secrecy
        self.keyring, self.data_dir = keyring, data_dir
        self._authority: Authority | None = None

    @property
    def authority(self) -> Authority:
        """The newest one."""
        if self._authority is None:
            raise StoreUnavailable("postgres")
        return self._authority

    async def open(self) -> None:
        """Read the authority, after making one where there is none that is fresh."""
        made, key = fresh_authority("a2a-node mesh")
        fresh = SigningKey(fresh_uuid(), Purpose.NODES, made.root.decode(), private=self._secrecy.sealed(key))
        found, revision = await self._store.renew(fresh, YEAR, 2 * YEAR)
        await self.keyring.reached(revision)
        private = self._secrecy.opened(found[0].private)
        if isinstance(private, EllipticCurvePrivateKey):
            self._authority = Authority(found[0].public.encode(), private)


def dns_name(node: str, spiffe: Spiffe) -> str:
    """The host name of a node in its certificate: whoever dials a node asks for it, and so meets no other one."""
    return f"{node}.nodes.{spiffe.domain}"


def _stamp(file: Path) -> object:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
