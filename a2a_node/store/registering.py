"""A whole registration as one statement, for all other changes wait meanwhile: its turn, its revision and its rows.

It answers with the instance and the `revision`; with no row when the agent is another owner's, or the instance another
agent's, and then nothing is changed. It is made once: to put it together takes longer than to run it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    Executable,
    Table,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from a2a_node.model.agents import AgentDescriptor, Instance
from a2a_node.store.locks import Lock
from a2a_node.store.rows import agent_row, instance_row
from a2a_node.store.statements import CHANNEL, from_now
from a2a_node.store.tables import agents, instances, registry_changes, registry_revision

OF_AGENT = (
    *("name", "version", "description", "category", "tags", "owner"),
    *("config", "capabilities", "max_revisits", "needs_call_token"),
)
OF_INSTANCE = ("id", "node", "kind", "address", "version", "lease_seconds")
AGENT, INSTANCE = "agent_", "instance_"  # what the names of parameters begin with


def parameters(agent: AgentDescriptor, owner: str, instance: Instance, lease: float) -> Mapping[str, object]:
    """What the statement is given for a registration; `lease` in seconds, or 0 for none of the instance's own."""
    of_agent, of_instance = agent_row(agent) | {"owner": owner}, instance_row(instance, lease)
    return {AGENT + name: of_agent[name] for name in OF_AGENT} | {
        INSTANCE + name: of_instance[name] for name in OF_INSTANCE
    }


def _registration() -> Executable:
    numbered = _numbered().cte("numbered")
    agent_entered = _enter_agent(numbered).cte("agent_entered")
    copy = _enter_instance(agent_entered).cte("copy")
    noted = _note(agent_entered, numbered).cte("noted")
    told = func.pg_notify(CHANNEL, cast(numbered.c.revision, Text))
    answer = select(*copy.c, numbered.c.revision, told).select_from(copy.join(numbered, true()))
    return answer.add_cte(noted)


def _numbered() -> ReturningUpdate[tuple[int]]:
    """Take the turn, and number the change, unless it must not be made."""
    turn = Lock.REGISTRY.held().cte("turn")
    name = _given(agents, AGENT, "name")
    owned = select(agents.c.id).where(agents.c.name == name, agents.c.owner != _given(agents, AGENT, "owner"))
    used = select(instances.c.id).where(instances.c.id == _given(instances, INSTANCE, "id"), instances.c.agent != name)
    allowed = update(registry_revision).where(select(turn).exists(), ~owned.exists(), ~used.exists())
    return allowed.values(revision=registry_revision.c.revision + 1).returning(registry_revision.c.revision)


def _enter_agent(numbered: CTE) -> ReturningInsert[tuple[str]]:
    """Insert the agent, or update it when the owner is the same; its `config` stays."""
    source = select(*_all_given(agents, AGENT, OF_AGENT), numbered.c.revision).select_from(numbered)
    new = insert(agents).from_select([*OF_AGENT, "revision"], source)
    replaced = [name for name in (*OF_AGENT, "revision") if name not in ("name", "config", "owner")]
    same_version = agents.c.version == new.excluded.version
    changed = {name: new.excluded[name] for name in replaced} | {
        "needs_call_token": or_(agents.c.needs_call_token, new.excluded.needs_call_token),
        "deployed_at": case((same_version, agents.c.deployed_at), else_=func.clock_timestamp()),
        "updated_at": func.clock_timestamp(),
    }
    return new.on_conflict_do_update(
        index_elements=[agents.c.name], set_=changed, where=agents.c.owner == new.excluded.owner
    ).returning(agents.c.name)


def _enter_instance(agent_entered: CTE) -> ReturningInsert[tuple[UUID]]:
    """Insert the agent's instance, or put it in place of itself."""
    lease: BindParameter[float] = bindparam(INSTANCE + "lease_seconds", type_=instances.c.lease_seconds.type)
    until = case((lease > 0, from_now(lease)))
    columns = [*OF_INSTANCE, "agent", "lease_until"]
    given = _all_given(instances, INSTANCE, OF_INSTANCE)
    new = insert(instances).from_select(columns, select(*given, agent_entered.c.name, until).select_from(agent_entered))
    changed = {name: new.excluded[name] for name in columns}
    return new.on_conflict_do_update(
        index_elements=[instances.c.id], set_=changed, where=instances.c.agent == new.excluded.agent
    ).returning(instances)


def _note(agent_entered: CTE, numbered: CTE) -> Insert:
    """Write down which agent changed."""
    changed = select(literal_column("'agent'"), agent_entered.c.name, numbered.c.revision)
    source = changed.select_from(agent_entered.join(numbered, true()))
    new = insert(registry_changes).from_select(["kind", "key", "revision"], source)
    return new.on_conflict_do_update(
        index_elements=[registry_changes.c.kind, registry_changes.c.key], set_={"revision": new.excluded.revision}
    )


def _all_given(table: Table, of: str, names: Sequence[str]) -> list[ColumnElement[object]]:
    return [cast(_given(table, of, name), table.c[name].type).label(name) for name in names]


def _given(table: Table, of: str, name: str) -> BindParameter[object]:
    return bindparam(of + name, type_=table.c[name].type)


REGISTRATION = _registration()
