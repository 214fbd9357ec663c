"""The node's own metrics as plain numbers, read from the registry that `/metrics` is written from."""

from __future__ import annotations

from collections import defaultdict
from time import time

from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import CollectorRegistry
from prometheus_client.samples import Sample

from a2a_node.model.ops_ports import Reading, Tally

MEMORY = "process_resident_memory_bytes"
INVOCATIONS = "a2a_agent_invocations_total"
LIMITED = "a2a_rate_limit_exceeded_total"
SECONDS, BUCKET = "a2a_response_time_seconds_sum", "a2a_response_time_seconds_bucket"
NAMES = (INVOCATIONS, LIMITED, SECONDS, BUCKET)
FIELDS = {"ok": "ok", "error": "errors", "cancelled": "cancelled"}


class RegistryMeters:
    """Reads a registry; see `model.ops_ports.Meters`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry.restricted_registry(NAMES)
        self._process = ProcessCollector(registry=None)  # registries do not know the names that it tells

    def read(self) -> Reading:
        """How the metrics stand now."""
        tallies: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        buckets: dict[tuple[str, str], dict[float, float]] = defaultdict(dict)
        for family in self._registry.collect():
            for sample in family.samples:
                names = (sample.labels.get("agent", ""), sample.labels.get("capability", ""))
                if sample.name == BUCKET:
                    buckets[names][float(sample.labels["le"])] = sample.value
                elif field := _field(sample):
                    tallies[names][field] = sample.value
        calls = {names: Tally(**tallies[names], buckets=buckets[names]) for names in tallies}
        return Reading(time(), calls, self._memory())

    def _memory(self) -> float:
        samples = [sample for family in self._process.collect() for sample in family.samples]
        return next((sample.value for sample in samples if sample.name == MEMORY), 0.0)


def _field(sample: Sample) -> str:
    """Where a sample belongs in a tally; empty for those that nobody counts."""
    if sample.name == INVOCATIONS:
        return FIELDS[sample.labels["outcome"]]
    return {LIMITED: "limited", SECONDS: "seconds"}.get(sample.name, "")
