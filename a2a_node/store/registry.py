"""The registry in Postgres: the truth about agents, instances and nodes. Time is always the store's own clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from a2a_node.model.agents import AgentDescriptor, Instance
from a2a_node.model.errors import (
    AgentNotFound,
    AgentOwned,
    InstanceNotFound,
    InvalidInput,
    LeaseEnded,
    NodeNotFound,
)
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.model.registry_ports import UPDATABLE, Changes, Snapshot
from a2a_node.store import snapshots, statements
from a2a_node.store.changelog import KEPT, ChangeLog
from a2a_node.store.postgres import Postgres
from a2a_node.store.registering import REGISTRATION, parameters
from a2a_node.store.revisions import listening
from a2a_node.store.rows import instance_from, node_from
from a2a_node.store.tables import agents, instances, nodes


class PostgresRegistry:
    """The port `Registry` on Postgres."""

    def __init__(self, postgres: Postgres, *, kept: int = KEPT) -> None:
        self._postgres = postgres
        self._log = ChangeLog(postgres, kept)

    async def join(self, node: Node, lease: float) -> Node | None:
        """Enter or re-enter a node; its hosted and attached instances of before are removed."""
        async with self._log.change() as change:
            entered = await change.fetch(statements.enter_node(node, lease))
            if not entered:
                return None
            held = await change.fetch(statements.remove_held(node.id))
            revision = await self._log.note(change, agents=_agents(held), nodes=[node.id])
            return replace(node_from(entered[0]), revision=revision)

    async def renew_node(self, node_id: str, lease: float, started_at: datetime | None = None) -> bool:
        """Keep a node's lease; a revision is made only when this wakes a suspect."""
        if await self._postgres.fetch(statements.renew_node(node_id, lease, started_at)):
            return True
        async with self._log.change() as change:
            woken = bool(await change.fetch(statements.wake_node(node_id, lease, started_at)))
            if woken:
                await self._log.note(change, nodes=[node_id])
            return woken

    async def set_status(self, node_id: str, status: NodeStatus) -> int:
        """Change how a node stands."""
        change_status = update(nodes).where(nodes.c.id == node_id).values(status=status.value).returning(nodes.c.id)
        async with self._log.change() as change:
            if not await change.fetch(change_status):
                raise NodeNotFound(node_id)
            return await self._log.note(change, nodes=[node_id])

    async def leave(self, node_id: str, started_at: datetime | None = None) -> int:
        """Remove a node's hosted and attached instances and mark it gone; nothing to do when it is unknown."""
        gone = {"status": NodeStatus.GONE.value, "lease_until": func.clock_timestamp()}
        there = update(nodes).where(statements.process(node_id, started_at))
        async with self._log.change() as change:
            if not await change.fetch(there.values(gone).returning(nodes.c.id)):
                return await snapshots.revision_now(change)
            held = await change.fetch(statements.remove_held(node_id))
            return await self._log.note(change, agents=_agents(held), nodes=[node_id])

    async def give_up(self, node_id: str) -> bool:
        """Let a suspect or draining node go as if it had left, where its lease is over; False when it is not."""
        async with self._log.change() as change:
            if not await change.fetch(statements.give_up(node_id)):
                return False
            held = await change.fetch(statements.remove_held(node_id))
            await self._log.note(change, agents=_agents(held), nodes=[node_id])
            return True

    async def register(
        self, agent: AgentDescriptor, owner: str, instance: Instance, lease: float = 0.0
    ) -> tuple[Instance, int]:
        """Register or update the agent and add the instance."""
        try:
            entered = await self._log.single(
                REGISTRATION, parameters(agent, owner, replace(instance, agent=agent.name), lease)
            )
        except IntegrityError as failure:  # its agent was entered just now, so the node it refers to is missing
            raise NodeNotFound(instance.node) from failure
        if not entered:
            raise await self._refusal(agent.name, owner, instance)
        return instance_from(entered[0]), int(entered[0]["revision"])

    async def renew(self, instance_id: str) -> Instance:
        """Keep an endpoint's lease for its own span again."""
        for known in _uuids([instance_id]):
            renewed = await self._postgres.fetch(statements.renew_instance(known))
            if renewed:
                return instance_from(renewed[0])
            if await self._postgres.fetch(select(instances.c.id).where(instances.c.id == known)):
                raise LeaseEnded(instance_id)
        raise InstanceNotFound(instance_id)

    async def move(self, instance_id: str, node_id: str) -> tuple[Instance, int]:
        """Reach an endpoint through another node from now on."""
        try:
            async with self._log.change() as change:
                for known in _uuids([instance_id]):
                    for row in await change.fetch(statements.move_instance(known, node_id)):
                        return instance_from(row), await self._log.note(change, agents=[row["agent"]])
        except IntegrityError as failure:
            raise NodeNotFound(node_id) from failure
        raise InstanceNotFound(instance_id)

    async def remove_instances(self, instance_ids: Sequence[str]) -> tuple[int, int]:
        """Remove instances; how many there were, and the revision."""
        removal = delete(instances).where(instances.c.id.in_(_uuids(instance_ids))).returning(instances.c.agent)
        async with self._log.change() as change:
            removed = await change.fetch(removal)
            if not removed:
                return 0, await snapshots.revision_now(change)
            return len(removed), await self._log.note(change, agents=_agents(removed))

    async def remove_agent(self, name: str) -> tuple[int, int]:
        """Remove an agent and its instances; how many instances, and the revision."""
        async with self._log.change() as change:
            removed = await change.fetch(delete(instances).where(instances.c.agent == name).returning(instances.c.id))
            if not await change.fetch(delete(agents).where(agents.c.name == name).returning(agents.c.id)):
                raise AgentNotFound(name)
            return len(removed), await self._log.note(change, agents=[name])

    async def update(self, name: str, changes: Mapping[str, object]) -> int:
        """Change what is named of an agent, and nothing else."""
        for field in changes:
            if field not in UPDATABLE:
                raise InvalidInput(field, f"cannot be changed; these can: {', '.join(UPDATABLE)}")
        async with self._log.change() as change:
            if not await change.fetch(statements.update_agent(name, changes)):
                raise AgentNotFound(name)
            return await self._log.note(change, agents=[name])

    async def sweep(self) -> int:
        """Tidy up after those whose lease is over; how many instances were removed."""
        if not await self._postgres.fetch(statements.SWEEP_DUE):
            return 0
        async with self._log.change() as change:
            forgotten = [row["id"] for row in await change.fetch(select(nodes.c.id).where(statements.FORGOTTEN))]
            removed = await change.fetch(statements.remove_lapsed(forgotten))
            silent = [*await change.fetch(statements.SUSPECT), *await change.fetch(statements.forget(forgotten))]
            if removed or silent:
                await self._log.note(change, agents=_agents(removed), nodes=[row["id"] for row in silent])
            return len(removed)

    async def snapshot(self) -> Snapshot:
        """Everything, as of one revision."""
        async with self._postgres.reading() as transaction:
            return await snapshots.snapshot(transaction)

    async def changes(self, after: int) -> Changes | None:
        """What changed after that revision; None when a snapshot is needed instead."""
        async with self._postgres.reading() as transaction:
            return await snapshots.changes(transaction, after, self._log.kept)

    def revisions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of new revisions as they are committed."""
        return listening(self._postgres.dial)

    async def _refusal(self, name: str, owner: str, instance: Instance) -> AgentOwned | InvalidInput:
        """Why a registration changed nothing."""
        holder = await self._postgres.fetch(select(agents.c.owner).where(agents.c.name == name))
        if holder and holder[0]["owner"] != owner:
            return AgentOwned(name, holder[0]["owner"])
        return InvalidInput("instance_id", f"{instance.id!r} is an instance of another agent")


def _agents(rows: Sequence[RowMapping]) -> list[str]:
    return [row["agent"] for row in rows]


def _uuids(ids: Sequence[str]) -> list[UUID]:
    """Those ids that can be there at all."""
    found = []
    for text in ids:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
