"""The ops agents that a node hosts, each made with what it needs, and the templates that call them."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, cast

from a2a_node.agent import Agent
from a2a_node.mesh.background import background
from a2a_node.mesh.loading import loaded
from a2a_node.model.errors import SettingInvalid
from a2a_node.model.grant_ports import Grants
from a2a_node.model.key_ports import Keys
from a2a_node.model.names import NAME
from a2a_node.model.ops_ports import Deputy
from a2a_node.model.workflow_ports import KnownAgents, Templates
from a2a_node.ops.echo import agent as echo
from a2a_node.ops.incidents.senses import Hands, Senses
from a2a_node.settings import Settings
from a2a_node.workflows.library import Library

ALL = "all"
# Each is made by `made(workplace, ...)` of its module in `a2a_node/ops`, given these fields of `Given` in this order.
AGENTS: Mapping[str, Sequence[str]] = {
    "scanner": (),
    "site": ("hosts",),
    "reporter": (),
    "mesh_review": ("deputy", "grants", "keys"),
    "database": ("databases", "deputy"),
    "git": ("sources",),
    "notifier": ("webhooks",),
    "prober": ("hosts",),
    "python": (),
    "releases": (),
    "vault": ("stores",),
    "monitor": ("senses", "hands"),
    "load": (),
    "profiler": ("senses", "hands"),
    "tuner": ("hands",),
}


@dataclass(frozen=True, slots=True)
class Given:
    """What ops agents may be given beside their workplace; rooms add what theirs need."""

    settings: Settings
    senses: Senses | None = None  # what is heard of this node
    hands: Hands | None = None  # what they may do to the mesh for their callers
    grants: Grants | None = None
    keys: Keys | None = None
    postgres_url: str = field(default="", repr=False)  # of the mesh itself

    @property
    def deputy(self) -> Deputy | None:
        """Who lets agents act for their callers."""
        return self.hands.deputy if self.hands else None

    @property
    def sources(self) -> Sequence[str]:
        """Where code may be cloned from beside the workspace."""
        return self.settings.ops_git

    @property
    def databases(self) -> Mapping[str, str]:
        """URLs of databases, secrets with them, by name; that of the mesh among them. SettingInvalid."""
        named = named_secrets("ops_databases", self.settings.ops_databases.get_secret_value())
        return {"mesh": self.postgres_url, **named}

    @property
    def stores(self) -> Mapping[str, str]:
        """Where backups are kept, by name; SettingInvalid."""
        return named_secrets("ops_stores", ",".join(self.settings.ops_stores))

    @property
    def hosts(self) -> Sequence[str]:
        """Whom agents may ask over HTTP beside this machine."""
        return self.settings.ops_hosts

    @property
    def webhooks(self) -> Mapping[str, str]:
        """Secret URLs by the names of their channels; SettingInvalid."""
        return named_secrets("ops_webhooks", self.settings.ops_webhooks.get_secret_value())


class Module(Protocol):
    """The module of an ops agent."""

    def made(self, *given: object) -> Agent:
        """The agent, in its workplace."""


def named_secrets(setting: str, text: str) -> Mapping[str, str]:
    """The values of `name=value,name=value`, none of which is ever told; SettingInvalid for another form."""
    pairs = [each.strip().partition("=") for each in text.split(",") if each.strip()]
    if not all(NAME.fullmatch(name) and value for name, _, value in pairs):
        raise SettingInvalid(setting, "must be name=value,name=value, each name lower-case letters, digits and '-'")
    return {name: value for name, _, value in pairs}


def chosen(settings: Settings) -> Sequence[str]:
    """The names of the ops agents to host; SettingInvalid for one that there is not."""
    for name in settings.ops:
        if name not in AGENTS and name != ALL:
            raise SettingInvalid("ops", f"there is no ops agent {name[:80]!r}; there are: {ALL}, {', '.join(AGENTS)}")
    return [name for name in AGENTS if name in settings.ops or ALL in settings.ops]


def begun(settings: Settings) -> Mapping[str, Agent]:
    """The agents that need nothing of the node, by name; SettingInvalid for a wrong name of any agent."""
    agents = loaded(settings.agent, [echo] if settings.echo else [])
    for name in agents.keys() & set(chosen(settings)):
        raise SettingInvalid("ops", f"an agent of the name {name!r} is hosted already; leave one out")
    return agents


def working(agents: Mapping[str, Agent], given: Given) -> Mapping[str, Agent]:
    """These, and the ops agents that the settings choose, for which alone is imported what they need."""
    names = chosen(given.settings)
    workplace = _workplace(given.settings) if names else None
    made = dict(agents)
    for name in names:
        module = cast("Module", importlib.import_module(f"a2a_node.ops.{name}"))
        made[name] = module.made(workplace, *(getattr(given, port) for port in AGENTS[name]))
    return made


@asynccontextmanager
async def shelved(
    settings: Settings, templates: Templates, agents: KnownAgents, node_id: str
) -> AsyncIterator[Library]:
    """The library; beside the block the built-in templates are put there, where the node hosts ops agents."""
    library = Library(templates, agents)

    async def put() -> None:
        from a2a_node.workflows.shelf import shelve  # noqa: PLC0415 - only nodes with ops agents need it

        await shelve(library, templates, f"node:{node_id}")

    async with background(*([put] if chosen(settings) else [])):
        yield library


def _workplace(settings: Settings) -> object:
    from a2a_node.ops.programs import SENSIBLE, Programs  # noqa: PLC0415 - as above
    from a2a_node.ops.workplace import Limits, Workplace  # noqa: PLC0415

    limits = Limits(
        settings.ops_seconds, settings.ops_output_bytes, settings.ops_workspace_bytes, settings.ops_concurrency
    )
    root = settings.ops_workspace or settings.data_dir / "workspace"
    try:
        return Workplace(root, Programs.of(settings.ops_commands or SENSIBLE), limits, hidden=settings.data_dir)
    except OSError as error:
        raise SettingInvalid("ops_workspace", f"{str(root)!r} cannot be used: {error.strerror}") from error
