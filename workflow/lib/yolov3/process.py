"""Processes: available CPUs, handling of termination signals, and ending of child processes."""

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

# A killed process ends within milliseconds, unless it waits for a device or a network file system.
MAX_END_SECONDS = 30.0
POLL_SECONDS = 0.05


def available_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def shared_cpus(workers: int) -> list[list[int]]:
    """Divide the CPUs that this process may use evenly among the workers; return [] if there are fewer than workers."""
    cpus = sorted(os.sched_getaffinity(0))
    share = len(cpus) // workers
    return [cpus[worker * share : (worker + 1) * share] for worker in range(workers)] if share else []


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGTERM (sent by workflow managers and clusters) and SIGHUP (closed terminal), too."""
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
    """Kill a child with a session of its own and all of its descendants, and wait until they have ended.

    Args:
        child: the child process, which may have ended already.
        seen: known descendants, which may be in other sessions.
    """
    to_kill: set[psutil.Process] = set()
    while new := _started_by(child.pid, to_kill.union(seen)) - to_kill:
        for process in new:
            with contextlib.suppress(psutil.Error):
                # A stopped process cannot start others during the search.
                process.suspend()
        to_kill |= new
    for process in to_kill:
        with contextlib.suppress(psutil.Error):
            process.kill()
    child.wait()
    deadline = time.monotonic() + MAX_END_SECONDS
    while remaining := [process.pid for process in to_kill if is_alive(process)]:
        if time.monotonic() > deadline:
            logging.warning("killed processes %s have not ended: check the devices that they wait for", remaining)
            return
        time.sleep(POLL_SECONDS)


def _started_by(session: int, known: set[psutil.Process]) -> set[psutil.Process]:
    """Return the running processes among those known, those of a session, and the descendants of both."""
    members = set(known)
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(process.pid) == session:
                members.add(process)
    return {process for process in members.union(*map(children_of, members)) if is_alive(process)}


def children_of(process: psutil.Process) -> list[psutil.Process]:
    """Return the descendants of a process, [] if it has ended."""
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process is running; a zombie is not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
