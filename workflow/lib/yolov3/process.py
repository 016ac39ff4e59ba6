"""Processes: the CPUs that this one may use, how it is told to end, and how it ends those that it started."""

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Iterator
from types import FrameType
from typing import Any

import psutil

# A killed process is gone within milliseconds, unless it waits for a device or a network file system.
MAX_END_SECONDS = 30.0
POLL_SECONDS = 0.05


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
    """Treat SIGTERM, with which workflow managers and clusters end a job, and a closed terminal like Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # Under nohup, SIGHUP stays ignored.
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    previous = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def end_processes(child: subprocess.Popen[Any], seen: Collection[psutil.Process] = ()) -> None:
    """Kill a child that was started in a session of its own, and all that it started; return when they are gone.

    Args:
        child: the process; it may have ended already.
        seen: processes that it was seen to have started, in whichever session.
    """
    doomed: set[psutil.Process] = set()
    while new := _started_by(child.pid, doomed.union(seen)) - doomed:
        for process in new:
            with contextlib.suppress(psutil.Error):
                # A stopped process starts no others while the rest is looked for.
                process.suspend()
        doomed |= new
    for process in doomed:
        with contextlib.suppress(psutil.Error):
            process.kill()
    child.wait()
    deadline = time.monotonic() + MAX_END_SECONDS
    while left := [process.pid for process in doomed if is_alive(process)]:
        if time.monotonic() > deadline:
            logging.warning("killed processes %s have not ended: look at what device they wait for", left)
            return
        time.sleep(POLL_SECONDS)


def _started_by(session: int, known: set[psutil.Process]) -> set[psutil.Process]:
    """Return the running ones of the known processes, of those of a session, and of what these have started."""
    members = set(known)
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(process.pid) == session:
                members.add(process)
    return {process for process in members.union(*map(children_of, members)) if is_alive(process)}


def children_of(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes that a process has started, and that these have started; none if it is gone."""
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process has not ended, be it that its parent has yet to be told."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
