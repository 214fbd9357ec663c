"""What a node tells the agents that look for causes, and what it lets them do."""

from __future__ import annotations

from dataclasses import dataclass

from a2a_node.model.audit_ports import AuditLog
from a2a_node.model.ops_ports import Deputy, MeshChanges, RecentCalls, RecentLogs
from a2a_node.model.run_ports import Runs
from a2a_node.ops.incidents.history import History


@dataclass(frozen=True, slots=True)
class Senses:
    """What is heard of the node."""

    history: History
    calls: RecentCalls
    logs: RecentLogs
    audit: AuditLog
    runs: Runs


@dataclass(frozen=True, slots=True)
class Hands:
    """What agents may do for those who call them."""

    deputy: Deputy
    changes: MeshChanges
