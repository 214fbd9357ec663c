"""Figures of streams that resume: those that are kept here, and calls that nobody hears at this node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from a2a_node.mesh.heirs import Heirs
from a2a_node.mesh.outliving import Outliving
from a2a_node.mesh.writers import Writers
from a2a_node.web.figures import Figure


def of_streams(writers: Writers, outliving: Outliving, heirs: Heirs) -> Sequence[Figure]:
    """How many there are now."""

    def unheard() -> Mapping[str, float]:
        return {"client_left": outliving.alone(), "node_lost": len(heirs)}

    alone = "Calls that go on here although their client, or the node that it asked, is gone"
    return (
        Figure("a2a_kept_calls", "Calls whose events or outcome this node keeps for whoever comes back", writers.open),
        Figure("a2a_calls_without_client", alone, unheard, "why"),
    )
