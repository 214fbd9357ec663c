"""A clock that is off: a library that a process loads before all others, and that moves the time of day it is told."""

from __future__ import annotations

from pathlib import Path

from tests.preloads import built

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long off(void) {
    const char *said = getenv("CHAOS_CLOCK_OFF");
    return said ? atol(said) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = syscall(SYS_clock_gettime, clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += off();
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (!at) return 0;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


def library(folder: Path) -> Path | None:
    """The library, built in a folder; None on a machine without a C compiler."""
    return built(SOURCE, folder / "clock.so")


def off_by(clock: Path, seconds: int) -> dict[str, str]:
    """The environment of a process whose clock is off by so much."""
    return {"LD_PRELOAD": str(clock), "CHAOS_CLOCK_OFF": str(seconds)}
