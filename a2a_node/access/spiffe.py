"""SPIFFE ids: who a certificate says that somebody is, `spiffe://<trust domain>/<kind>/<name>`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from a2a_node.model.principal import WRITTEN, Principal

TRUST_DOMAIN = "a2a.local"
SCHEME = "spiffe://"


@dataclass(frozen=True, slots=True)
class Spiffe:
    """Ids of one trust domain; those of others are nobody here."""

    domain: str = TRUST_DOMAIN

    def id_of(self, principal: Principal) -> str:
        """The id of a principal."""
        return f"{SCHEME}{self.domain}/{principal.kind}/{principal.name}"

    def principal(self, identities: Sequence[str]) -> Principal | None:
        """Who a certificate with these names is; None for nobody of this domain, or for more than one of them."""
        prefix = f"{SCHEME}{self.domain}/"
        ours = [name for name in identities if name.startswith(SCHEME)]
        if len(ours) != 1 or not ours[0].startswith(prefix):  # SPIFFE allows one id in a certificate
            return None
        kind, _, name = ours[0][len(prefix) :].partition("/")
        written = WRITTEN.fullmatch(f"{kind}:{name}")
        return None if written is None or "/" in name else Principal(kind, name)
