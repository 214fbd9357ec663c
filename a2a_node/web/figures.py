"""Figures that are read when somebody asks for them: rooms count in plain numbers, and know nothing of Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

Read: TypeAlias = Callable[[], float | Mapping[str, float]]
Page: TypeAlias = tuple[bytes, str]  # what `/metrics` answers, and its media type


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric, and how it is read: a number, or one for each value of its label."""

    name: str
    help: str
    read: Read
    label: str = ""
    grows: bool = False  # a counter rather than a gauge


class Figures(Collector):
    """The figures of one node, and all else that counts on its registry."""

    def __init__(self, registry: CollectorRegistry, figures: Sequence[Figure]) -> None:
        self._registry = registry
        self._figures = figures
        self._taken: Sequence[Metric] = ()
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """What was read last."""
        return self._taken

    def read(self, names: Iterable[str]) -> Mapping[str, float | Mapping[str, float]]:
        """Figures by their names, as they are now; KeyError."""
        known = {figure.name: figure for figure in self._figures}
        return {name: known[name].read() for name in names}

    async def sums(self, names: Iterable[str]) -> Mapping[str, float]:
        """Counters by their names, each the sum of its series; 0 for one that has counted nothing."""
        counted = await asyncio.to_thread(_counted, self._registry, frozenset(names))
        return {name: counted.get(name, 0.0) for name in names}

    async def page(self, accept: str) -> Page:
        """Everything, in OpenMetrics where the `accept` header asks for it, with exemplars then.

        The figures are read on the loop, which alone may walk what its tasks change, and written down in a thread: the
        series of a hundred agents take 17 ms, in OpenMetrics 32 ms, which would hold up every call.
        """
        self._taken = [_read(figure) for figure in self._figures]
        return await asyncio.to_thread(_written, self._registry, accept)


def _counted(registry: CollectorRegistry, names: frozenset[str]) -> Mapping[str, float]:
    families = (family for family in registry.collect() if family.name in names)
    return {
        family.name: sum(sample.value for sample in family.samples if sample.name == f"{family.name}_total")
        for family in families
    }


def _written(registry: CollectorRegistry, accept: str) -> Page:
    from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 - brings HTTP servers: nobody may ever ask

    write, media_type = choose_encoder(accept)
    return write(registry), media_type


def _read(figure: Figure) -> Metric:
    labels = [figure.label] if figure.label else []
    family = (CounterMetricFamily if figure.grows else GaugeMetricFamily)(figure.name, figure.help, labels=labels)
    for values, number in _samples(figure):
        family.add_metric(values, number)
    return family


def _samples(figure: Figure) -> Iterator[tuple[Sequence[str], float]]:
    numbers = figure.read()
    if isinstance(numbers, Mapping):
        yield from (([value], number) for value, number in sorted(numbers.items()))
    else:
        yield [], numbers
