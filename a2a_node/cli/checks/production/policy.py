"""What the node is told to do, to keep and to say, as its settings have it."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_node.cli.checks.item import Item, Verdict, item, needs, wants
from a2a_node.settings import Settings

LEAST_DRAIN = 5.0  # seconds


@item
def own_stores(settings: Settings) -> Verdict:
    """Those that `up` brings live and die with one machine."""
    named = [bool(url.get_secret_value()) for url in (settings.postgres_url, settings.redis_url)]
    message = "both stores are named" if all(named) else "the node brings stores of its own, for one machine"
    return needs(all(named), message, "run `a2a-node serve` with A2A_POSTGRES_URL and A2A_REDIS_URL")


@item
def mesh_passphrase(settings: Settings) -> Verdict:
    """The keys that the mesh signs with lie in Postgres and in its backups."""
    there = bool(settings.mesh_passphrase.get_secret_value())
    message = f"private keys lie in Postgres {'encrypted' if there else 'in the clear'}"
    return needs(there, message, "give A2A_MESH_PASSPHRASE, the same to all nodes")


@item
def administrators(settings: Settings) -> Verdict:
    """A person should answer for what the development key could do as well."""
    message = f"all permissions: {', '.join(('the development key', *settings.administrators))}"
    return needs(bool(settings.administrators), message, "name people in A2A_ADMINISTRATORS, as person:NAME")


@item
def echo_off(settings: Settings) -> Verdict:
    """An agent to try a node with is one more to call."""
    return needs(
        not settings.echo, f"the agent echo is {'hosted' if settings.echo else 'not hosted'}", "set A2A_ECHO=false"
    )


@item
def json_logs(settings: Settings) -> Verdict:
    """Programs read them."""
    message = f"logs are {'JSON' if settings.json_logs else 'texts for people'}"
    return needs(settings.json_logs, message, "set A2A_JSON_LOGS=true")


@item
def access_log(settings: Settings) -> Verdict:
    """Who called what, without asking the audit."""
    message = f"calls are {'logged' if settings.access_log else 'not logged'}"
    return needs(settings.access_log, message, "set A2A_ACCESS_LOG=true")


@item
def log_texts(settings: Settings) -> Verdict:
    """They may quote payloads, and logs are read by more people than payloads."""
    message = f"texts of unexpected exceptions are {'logged' if settings.log_texts else 'kept out of logs'}"
    return needs(not settings.log_texts, message, "take A2A_LOG_TEXTS away")


@item
def audit_full(settings: Settings) -> Verdict:
    """What nobody recorded must not have happened."""
    message = f"changes {settings.audit_full} while the audit's queue is full"
    return needs(settings.audit_full == "block", message.replace("drop", "go unrecorded"), "set A2A_AUDIT_FULL=block")


@item
def traces(settings: Settings) -> Verdict:
    """What becomes of a call from node to node."""
    message = f"traces go to {settings.trace_endpoint or 'nobody'}"
    return needs(bool(settings.trace_endpoint), message, "give A2A_TRACE_ENDPOINT, an OTLP receiver")


@item
def place_named(settings: Settings) -> Verdict:
    """Calls prefer what is near, and zones fail one by one."""
    message = f"region {settings.region or '(none)'}, zone {settings.zone or '(none)'}"
    return needs(bool(settings.region and settings.zone), message, "set A2A_REGION and A2A_ZONE")


@item
def drain_time(settings: Settings) -> Verdict:
    """Running calls are cut off after it."""
    message = f"running calls get {settings.drain:g} s when the node is told to stop"
    return wants(settings.drain >= LEAST_DRAIN, message, f"set A2A_DRAIN to {LEAST_DRAIN:g} s or more")


@item
def workflow_engine(settings: Settings) -> Verdict:
    """Runs are taken over by nodes that execute runs."""
    message = f"this node {'executes' if settings.workflows else 'does not execute'} runs of workflows"
    return wants(settings.workflows, message, "set A2A_WORKFLOWS=true on two nodes at least")


CHECKS: Sequence[Item[Settings]] = (
    own_stores,
    mesh_passphrase,
    administrators,
    echo_off,
    json_logs,
    access_log,
    log_texts,
    audit_full,
    traces,
    place_named,
    drain_time,
    workflow_engine,
)
