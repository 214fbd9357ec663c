"""The agent `mesh_review`: tells its caller what is wrong with grants and keys, if its caller may read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from a2a_node.agent import Agent, Context
from a2a_node.model.call import Terms
from a2a_node.model.grant_ports import GrantChanges, Grants
from a2a_node.model.key_ports import KeyPlace, Keys
from a2a_node.model.keys import ApiKey
from a2a_node.model.ops_ports import Deed, Deputy
from a2a_node.model.principal import Principal
from a2a_node.ops.findings import Scan, Severity, Skipped, scan_of
from a2a_node.ops.mesh_review.rules import Ages, of_grants, of_keys
from a2a_node.ops.workplace import Workplace

GRANTS, KEYS = "/a2amesh.v1.AccessService/ListGrants", "/a2amesh.v1.AccessService/ListKeys"
PAGE, MOST_KEYS = 500, 20_000
Days = Annotated[int, Field(ge=1, le=3650, description="Days.")]


@dataclass(frozen=True, slots=True)
class Books:
    """Where grants and keys stand, and who lets whom read them."""

    deputy: Deputy
    grants: Grants
    keys: Keys

    async def read_grants(self, terms: Terms) -> GrantChanges:
        """All grants that hold, if everybody in the call's chain may list them; PermissionDenied."""

        async def read(_: Principal) -> GrantChanges:
            return await self.grants.snapshot()

        return await self.deputy.act(Deed(GRANTS), terms, read)

    async def read_keys(self, terms: Terms) -> Sequence[ApiKey]:
        """The newest keys, ended ones too, if everybody in the call's chain may list them; PermissionDenied."""

        async def read(_: Principal) -> Sequence[ApiKey]:
            found: list[ApiKey] = []
            after: KeyPlace | None = None
            while len(found) <= MOST_KEYS:
                page = await self.keys.list("", after, PAGE, ended=True)
                found.extend(page)
                if len(page) < PAGE:
                    break
                after = (page[-1].created_at, page[-1].id)
            return found

        return await self.deputy.act(Deed(KEYS), terms, read)


def made(workplace: Workplace, deputy: Deputy, grants: Grants, keys: Keys) -> Agent:
    """The agent, which reads grants and keys in the name of its callers. It touches no file."""
    del workplace
    books = Books(deputy, grants, keys)
    agent = Agent(
        "mesh_review",
        version="1.0.0",
        description="Looks through the grants and keys of the mesh, for those who may read them.",
        category="security",
        tags=("built-in", "ops", "security"),
    )

    @agent.capability(idempotent=True)
    async def review(
        context: Context, soon_days: Days = 14, unused_days: Days = 90, fail_at: Severity = "high"
    ) -> Scan:
        """Find grants that are too wide, endless or unused, and keys that expire, have expired or are not used.

        Everybody in whose name this is called needs `access:read`, as for the lists themselves.
        """
        terms = Terms(context.token, context.time_left())
        there, found = await books.read_grants(terms), await books.read_keys(terms)
        ages = Ages(there.now, timedelta(days=soon_days), timedelta(days=unused_days))
        known, missed = found[:MOST_KEYS], len(found) > MOST_KEYS
        skipped = [Skipped(path="keys", why=f"only the newest {MOST_KEYS:,} are looked at")] if missed else []
        wrong = [*of_grants(there.grants, known, ages), *of_keys(known, ages)]
        return scan_of(wrong, skipped, fail_at=fail_at, looked_at=len(there.grants) + len(known))

    return agent
