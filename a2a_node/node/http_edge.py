"""What stands around all that the node serves over HTTP, as the settings have it."""

from __future__ import annotations

from a2a_node.audit.refusals import Refusals
from a2a_node.settings import Settings
from a2a_node.web.bodies import limit_of
from a2a_node.web.edge.habits import Habits
from a2a_node.web.edge.layers import Edge
from a2a_node.web.edge.origins import Guard
from a2a_node.web.edge.rules import read_rules


def http_edge(settings: Settings, refusals: Refusals) -> Edge:
    """The edge; SettingInvalid for rules that are none."""
    habits = Habits(
        settings.http_connections,
        settings.http_header_seconds,
        settings.http_stall_seconds,
        settings.http_keep_alive,
        settings.http_header_limit,
        settings.http_body_limit or limit_of(settings.payload_limit),
    )
    return Edge(
        read_rules(settings.http_rules),
        refusals,
        habits,
        origins=settings.http_cors_origins,
        proxies=settings.http_trusted_proxies,
    )


def guard_of(settings: Settings) -> Guard:
    """Who may reach doors that browsers could be made to knock at."""
    return Guard((settings.http_host, settings.advertise_host, *settings.mcp_hosts), settings.http_cors_origins)
