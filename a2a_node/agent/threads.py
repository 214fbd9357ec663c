"""Threads for plain functions, owned by whoever hosts the agent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from typing import ParamSpec, TypeAlias, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
Job: TypeAlias = "tuple[Callable[[], None], Callable[[], bool]]"  # how it is done, how it is called off


class Threads(Executor):
    """At most `size` threads, each started when it is first needed; submitted to from one thread only.

    They are daemons: in the standard pool a function that never returns keeps the whole process from ending. What waits
    is bounded by the calls that the host lets in.
    """

    def __init__(self, name: str, size: int = 16) -> None:
        self._name, self._size = name, size
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._started = 0
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """The future of a call of `fn` in one of the threads; RuntimeError after the shutdown."""
        if self._closed:
            raise RuntimeError(f"the threads of {self._name} have ended")
        future: Future[T] = Future()
        self._jobs.put((partial(_settle, future, partial(fn, *args, **kwargs)), future.cancel))
        if not self._idle.acquire(blocking=False) and self._started < self._size:
            self._started += 1
            threading.Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True).start()
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = True) -> None:  # noqa: FBT001, FBT002 - Executor's
        """End the threads as they become idle; never waits for them, and calls off what has not begun."""
        del wait, cancel_futures
        self._closed = True
        while not self._jobs.empty():
            job = self._jobs.get()
            if job is not None:
                job[1]()
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job[0]()
            del job  # or an idle thread would keep its last result alive
            self._idle.release()


def _settle(future: Future[T], work: Callable[[], T]) -> None:
    """Work, unless nobody waits any more; whatever comes of it goes to whoever does."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is raised again where the result is awaited
        future.set_exception(error)
    else:
        future.set_result(result)
