"""Where the node's spans go, from its settings."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from urllib.parse import unquote

from a2a_node.model.errors import SettingInvalid
from a2a_node.settings import Settings
from a2a_node.tracing import Export


def export_of(settings: Settings, node_id: str) -> Export:
    """Where they go, with what the node says of itself; SettingInvalid."""
    about = {
        "service.instance.id": node_id,
        "service.version": version("a2a-node"),
        "cloud.region": settings.region,
        "cloud.availability_zone": settings.zone,
    }
    return Export(
        endpoint=settings.trace_endpoint,
        service="a2a-node",
        protocol=settings.trace_protocol,
        headers=_headers(settings.trace_headers.get_secret_value()),
        ratio=settings.trace_sampler,
        about={name: value for name, value in about.items() if value},
    )


def _headers(text: str) -> Mapping[str, str]:
    """Headers written as `name=value,name=value`, the values percent-encoded where need be."""
    pairs = [entry.partition("=") for entry in text.split(",") if entry.strip()]
    if not all(equals and name.strip() for name, equals, _ in pairs):
        # without the text, which holds a key
        raise SettingInvalid("trace_headers", "must look like name=value,name=value")
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}
