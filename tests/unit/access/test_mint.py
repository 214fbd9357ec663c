"""The mint and the vault: keys that nodes share, renewed in time, and read by those who know the passphrase alone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from time import time

import jwt
import pytest
from cryptography import x509

from a2a_node.access.authority import fits, fresh_authority, names_of
from a2a_node.access.certificates import FromFiles, OfMesh, Vault
from a2a_node.access.keyring import KnownKeyring
from a2a_node.access.mint import SETTLED, WEEK, Claims, Mint
from a2a_node.access.secrecy import Secrecy
from a2a_node.access.spiffe import Spiffe
from a2a_node.model.errors import SettingInvalid, StoreUnavailable
from a2a_node.model.keys import NewKey, Purpose
from a2a_node.testing import Clock, MemoryKeys
from tests.unit.access.mesh import HABITS

CLAIMS = Claims("person:ann", time() + 60)


def signer(mint: Mint) -> str:
    """The key that signs now."""
    return str(jwt.get_unverified_header(mint.token(CLAIMS)[0])["kid"])


async def test_nodes_sign_with_one_key_and_exchange_it_every_week() -> None:
    """A fresh one signs once everybody has heard of it; the old one still checks what it has signed."""
    clock = Clock()
    store = MemoryKeys(clock)
    async with (
        KnownKeyring.of_mesh(store, HABITS) as ring,
        KnownKeyring.of_mesh(store, HABITS) as other,
        Mint.opened(store, ring, Secrecy()) as one,
        Mint.opened(store, other, Secrecy()) as two,
    ):
        first = signer(one)
        assert signer(two) == first
        clock.advance(WEEK + 1)
        await two.look()
        await one.look()
        assert signer(one) == first
        assert len(ring.book.signing) == 2
        clock.advance(SETTLED)
        _, revision = await store.create(NewKey("person:ann", "person:ann"), "k", b"d")  # both read the clock with it
        await ring.reached(revision)
        await other.reached(revision)
        assert signer(one) == signer(two) != first
        assert ring.book.signer(first, Purpose.TOKENS) is not None
        clock.advance(WEEK + 1)
        await one.look()
        assert ring.book.signer(first, Purpose.TOKENS) is None


async def test_private_keys_are_written_down_encrypted() -> None:
    """And open by the same passphrase alone."""
    store = MemoryKeys()
    async with KnownKeyring.of_mesh(store, HABITS) as ring:
        async with Mint.opened(store, ring, Secrecy("a passphrase")):
            (written,) = vars(store)["_signing"]
            assert "ENCRYPTED" in written.private
            assert (await store.snapshot()).signing[0].private == ""
        for wrong in ("", "another"):
            with pytest.raises(SettingInvalid, match="mesh_passphrase"):
                async with Mint.opened(store, ring, Secrecy(wrong)):
                    pass
        async with Mint.opened(store, ring, Secrecy("a passphrase")):
            pass


async def test_a_node_signs_itself_a_certificate(tmp_path: Path) -> None:
    """By the authority that all nodes share; without the store there is none."""
    store = MemoryKeys()
    async with KnownKeyring.of_mesh(store, HABITS) as ring:
        shown = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            vault = Vault(store, ring, Secrecy("p"), tmp_path / name)
            with pytest.raises(StoreUnavailable):
                _ = vault.authority
            async with OfMesh.renewed(name, ("127.0.0.1",), Spiffe(), vault) as of_mesh:
                assert of_mesh.now() is of_mesh.now()
                shown.append(of_mesh.now())
                certificate = x509.load_pem_x509_certificate(of_mesh.now().certificate)
                names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
                uris = names.get_values_for_type(x509.UniformResourceIdentifier)
                assert uris == [f"spiffe://a2a.local/node/{name}"]
                assert names.get_values_for_type(x509.DNSName) == [f"{name}.nodes.a2a.local"]
                root = x509.load_pem_x509_certificate(of_mesh.now().roots)
                certificate.verify_directly_issued_by(root)
        assert shown[0].roots == shown[1].roots
        assert shown[0].key != shown[1].key


def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    """As a whole: a key without its certificate changes nothing, however long it stays so."""
    authority, _ = fresh_authority("tests")
    pairs = [authority.signed(names_of("spiffe://a2a.local/node/n", "localhost"), timedelta(hours=1)) for _ in range(2)]
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    key.write_bytes(pairs[0].key)
    certificate.write_bytes(pairs[0].certificate)
    files = FromFiles([key, certificate], "tls_cert")
    first = files.now()
    assert files.now() is first
    key.write_bytes(pairs[1].key)
    assert files.now() is first
    certificate.unlink()
    assert files.now() is first
    certificate.write_bytes(pairs[1].certificate)
    assert (files.now().key, files.now().certificate) == (pairs[1].key, pairs[1].certificate)
    assert fits(pairs[0].key, pairs[1].certificate) == "do not belong together"
    assert fits(b"", b"").startswith("cannot be read")
