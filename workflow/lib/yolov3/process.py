"""This process: the CPUs that it may use, and how it is told to end."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType


def available_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def shared_cpus(workers: int) -> list[list[int]]:
    """Return the CPUs of each of several workers of this host: equal shares of those that this process may use.

    [] if there are fewer CPUs than workers.
    """
    cpus = sorted(os.sched_getaffinity(0))
    share = len(cpus) // workers
    return [cpus[worker * share : (worker + 1) * share] for worker in range(workers)] if share else []


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM, with which workflow managers and clusters end a job, like Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
