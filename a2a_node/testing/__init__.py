"""The seams that tests use, shipped so that agents' tests can use them: stores in memory, a clock, a line to cut."""

from a2a_node.testing.audit import MemoryAuditLog
from a2a_node.testing.buckets import MemoryBuckets
from a2a_node.testing.budgets import MemoryBudgets
from a2a_node.testing.chosen_ids import MemoryChosenIds
from a2a_node.testing.clock import Clock
from a2a_node.testing.freezes import MemoryFreezes
from a2a_node.testing.grants import MemoryGrants
from a2a_node.testing.keys import MemoryKeys
from a2a_node.testing.limits import MemoryLimits
from a2a_node.testing.line import Line, line_to
from a2a_node.testing.losable import MemoryRevisions
from a2a_node.testing.outcomes import MemoryOutcomes
from a2a_node.testing.registry import MemoryRegistry
from a2a_node.testing.runs import MemoryRuns
from a2a_node.testing.schedules import MemorySchedules
from a2a_node.testing.secrets import MemorySecrets, OneSecret
from a2a_node.testing.servers import MemoryServers
from a2a_node.testing.sessions import MemorySessions
from a2a_node.testing.streams import MemoryStreams
from a2a_node.testing.templates import MemoryTemplates
from a2a_node.testing.topics import MemoryTopics
from a2a_node.testing.values import MemoryValues

__all__ = [
    "Clock",
    "Line",
    "MemoryAuditLog",
    "MemoryBuckets",
    "MemoryBudgets",
    "MemoryChosenIds",
    "MemoryFreezes",
    "MemoryGrants",
    "MemoryKeys",
    "MemoryLimits",
    "MemoryOutcomes",
    "MemoryRegistry",
    "MemoryRevisions",
    "MemoryRuns",
    "MemorySchedules",
    "MemorySecrets",
    "MemoryServers",
    "MemorySessions",
    "MemoryStreams",
    "MemoryTemplates",
    "MemoryTopics",
    "MemoryValues",
    "OneSecret",
    "line_to",
]
