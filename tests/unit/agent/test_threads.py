"""The threads of an agent."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future, wait

import pytest

from a2a_node.agent import Threads

PATIENCE = 5.0


def test_threads_are_started_as_they_are_needed() -> None:
    """None before there is work, and one is enough for work that comes one by one."""
    threads = Threads("needed", 8)
    assert named("needed") == 0
    for number in range(20):
        assert threads.submit(lambda n: n + 1, number).result(PATIENCE) == number + 1
    assert 1 <= named("needed") <= 8
    threads.shutdown()


def test_there_are_never_more_than_so_many() -> None:
    """What comes beyond them waits."""
    threads, go_on = Threads("few", 2), threading.Event()
    futures = [threads.submit(go_on.wait, PATIENCE) for _ in range(6)]
    assert named("few") == 2
    go_on.set()
    assert [future.result(PATIENCE) for future in futures] == [True] * 6
    threads.shutdown()


def test_what_is_raised_is_raised_where_the_result_is_awaited() -> None:
    """And the thread works on."""

    def fail() -> None:
        raise SystemExit("no")

    threads = Threads("failing", 1)
    with pytest.raises(SystemExit):
        threads.submit(fail).result(PATIENCE)
    assert threads.submit(lambda: 1).result(PATIENCE) == 1
    threads.shutdown()


def test_work_that_was_called_off_is_not_begun() -> None:
    """As long as it waits for a thread."""
    threads, go_on = Threads("calm", 1), threading.Event()
    first = threads.submit(go_on.wait, PATIENCE)
    second, third = threads.submit(lambda: 2), threads.submit(lambda: 3)
    assert second.cancel()
    go_on.set()
    assert (first.result(PATIENCE), third.result(PATIENCE)) == (True, 3)
    threads.shutdown()


def test_the_end_calls_off_what_waits_and_lets_the_rest_finish() -> None:
    """Nothing new is taken afterwards, and idle threads end."""
    threads, go_on = Threads("ending", 1), threading.Event()
    begun: Future[bool] = threads.submit(go_on.wait, PATIENCE)
    waiting = threads.submit(lambda: None)
    threads.shutdown()
    with pytest.raises(CancelledError):
        waiting.result(PATIENCE)
    with pytest.raises(RuntimeError, match="have ended"):
        threads.submit(lambda: None)
    go_on.set()
    assert not wait([begun], PATIENCE).not_done
    for thread in threading.enumerate():
        if thread.name.startswith("ending-"):
            thread.join(PATIENCE)
    assert named("ending") == 0


def test_they_keep_no_process_from_ending() -> None:
    """They are daemons."""
    threads = Threads("daemons", 1)
    assert threads.submit(lambda: threading.current_thread().daemon).result(PATIENCE)
    threads.shutdown()


def named(name: str) -> int:
    """How many threads of that name there are."""
    return sum(thread.name.startswith(f"{name}-") for thread in threading.enumerate())
