"""Who is who: what a node knows of keys, tokens and certificates, built together because all of it hangs together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from a2a_node.access.certificates import FromFiles, OfMesh, Shows, Vault
from a2a_node.access.credentials import Credentials, KnownKeys
from a2a_node.access.issuers import Issuers
from a2a_node.access.issuing import Issuing
from a2a_node.access.keyring import KnownKeyring
from a2a_node.access.last_uses import LastUses
from a2a_node.access.mint import Mint
from a2a_node.access.secrecy import Secrecy
from a2a_node.access.spiffe import Spiffe
from a2a_node.access.tokens import Tokens
from a2a_node.model.key_ports import Keys
from a2a_node.model.principal import Principal
from a2a_node.node.issuers import trusted
from a2a_node.node.tls import PeerTls, clients_certificates, peer_tls, peers_files
from a2a_node.pipeline.auth import Auth, Gate, open_methods
from a2a_node.pipeline.wrong_keys import WrongKeys
from a2a_node.settings import Settings
from a2a_node.web import people


@dataclass(frozen=True, slots=True)
class People:
    """Whom the node knows before it has read anything: keys it is started with, roots, and owners of agents."""

    keys: Mapping[str, Principal]
    roots: frozenset[Principal]
    owner_of: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Identities:
    """What tells who somebody is."""

    credentials: Credentials
    auth: Auth
    wrong_keys: WrongKeys
    issuing: Issuing
    keyring: KnownKeyring
    peers: PeerTls
    clients: FromFiles | None  # what the clients' door shows; None where it is open

    def certificates(self) -> Mapping[str, Shows]:
        """What each door shows."""
        clients = {} if self.clients is None else {"clients": self.clients}
        return {**clients, "peers": self.peers.shows}

    def shown(self) -> people.People:
        """What is shown of it."""
        return people.People(self.credentials.counts, self.keyring, self.wrong_keys)


@asynccontextmanager
async def knowing(settings: Settings, node: str, store: Keys, started_with: People) -> AsyncIterator[Identities]:
    """Know who is who until the block ends; SettingInvalid for files and secrets that cannot be used."""
    secrecy, spiffe = Secrecy(settings.mesh_passphrase.get_secret_value()), Spiffe(settings.trust_domain)
    async with AsyncExitStack() as house:
        keyring = await house.enter_async_context(KnownKeyring.of_mesh(store))
        mint = await house.enter_async_context(Mint.opened(store, keyring, secrecy))
        vault = Vault(store, keyring, secrecy, settings.data_dir)
        shows = await house.enter_async_context(_shown_to_nodes(settings, node, spiffe, vault))
        issuers = await house.enter_async_context(Issuers.followed(trusted(settings.issuers)))
        uses = await house.enter_async_context(LastUses.written(store, keyring))
        tokens = Tokens(keyring, issuers, settings.clock_leeway)
        credentials = Credentials(KnownKeys(started_with.keys), keyring, tokens, uses)
        gate = Gate(tuple(open_methods(reflection=settings.reflects_openly)), spiffe)
        auth = Auth(credentials, gate)
        issuers.listen(credentials.issuers_changed)
        for listen in (keyring.listen, issuers.listen):
            listen(auth.recheck)
        issuing = Issuing(store, keyring, mint, started_with.roots, started_with.owner_of, settings.clock_leeway)
        peers, clients = peer_tls(shows, spiffe), clients_certificates(settings)
        yield Identities(credentials, auth, gate.wrong_keys, issuing, keyring, peers, clients)


@asynccontextmanager
async def _shown_to_nodes(settings: Settings, node: str, spiffe: Spiffe, vault: Vault) -> AsyncIterator[Shows]:
    """The operator's certificate for other nodes, or the mesh's."""
    files = peers_files(settings)
    if files is not None:
        yield files
        return
    async with OfMesh.renewed(node, (settings.host, "localhost"), spiffe, vault) as shows:
        yield shows
