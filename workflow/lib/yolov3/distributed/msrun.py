"""Running a script on several ranks of this host by MindSpore's launcher msrun, and ending all of its processes.

msrun starts a scheduler and the workers (ranks); each runs the same script with MS_ROLE=MS_SCHED or MS_WORKER in its
environment. With --join, msrun kills the other workers when one fails, but then waits for the scheduler, which waits
for its own time-out. Workers have sessions of their own, so a signal to msrun's process group does not reach them.
"""

import contextlib
import ctypes
import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from yolov3.distributed.platform_worker import is_rank_table_worker
from yolov3.distributed.worker_logs import LogFollower, describe_failure, worker_failed
from yolov3.errors import InputError
from yolov3.process import children_of, end_processes, is_alive, sigterm_as_interrupt

WORKER_ROLE = "MS_WORKER"
SCHEDULER_ROLE = "MS_SCHED"
POLL_SECONDS = 0.2
WATCH_SECONDS = 1.0
# Time for the scheduler to end after a worker failed; on its own it waits for a longer time-out.
SCHEDULER_GRACE_SECONDS = 8.0
# Workers that do not hang detect a missing scheduler within half a minute.
WORKER_GRACE_SECONDS = 60.0
# Defaults for variables that the user has not set.
MINDSPORE_TIME_OUTS = {
    # Seconds after which the scheduler considers a worker without heartbeat lost.
    "MS_NODE_TIMEOUT": "30",
    # Seconds that a worker on the CPU waits for the others in an all-reduce. The default of 30 is too short for an
    # evaluation on the first worker or a compilation; the heartbeat detects lost workers much sooner.
    "MS_CPU_COMM_OP_TIMEOUT": "7200",
}
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class LaunchSettings:
    """Settings of a distributed run; the names are msrun's.

    Attributes:
        worker_num: number of ranks on all hosts.
        local_worker_num: number of ranks on this host.
        log_dir: folder for scheduler.log, worker_N.log and msrun.log.
        master_addr: address of the host that runs the scheduler.
        master_port: port of the scheduler.
        node_rank: number of this host, from 0.
        cluster_time_out: seconds after which the run fails if ranks are missing.
        rank_table_file: path of the rank table; None or "" for none.
        bind_core: value of msrun's option, "True" or JSON; "" omits the option.
        worker_threads: OpenMP threads per rank; 0 does not set them.
    """

    worker_num: int
    local_worker_num: int
    log_dir: str | Path
    master_addr: str = "127.0.0.1"
    master_port: int = 8118
    node_rank: int = 0
    cluster_time_out: int = 300
    rank_table_file: str | Path | None = None
    bind_core: str = ""
    worker_threads: int = 0


def is_launched() -> bool:
    """Return whether msrun (as a worker or the scheduler) or a platform started this process.

    Such a process must not start ranks itself; the scheduler runs inside mindspore.communication.init.
    """
    return os.environ.get("MS_ROLE") in (WORKER_ROLE, SCHEDULER_ROLE) or is_rank_table_worker()


def msrun_command(script_and_args: Sequence[str], settings: LaunchSettings) -> list[str]:
    """Return the msrun command of this host for a Python script and its arguments."""
    names = ("worker_num", "local_worker_num", "master_addr", "master_port", "node_rank", "log_dir")
    words = ["msrun", *(f"--{name}={getattr(settings, name)}" for name in names), "--join=True"]
    for name in ("cluster_time_out", "rank_table_file", "bind_core"):
        if value := getattr(settings, name):
            words.append(f"--{name}={value}")
    return words + [str(word) for word in script_and_args]


def run_workers(
    command: Sequence[str], settings: LaunchSettings, end_reason: Callable[[], str | None] = lambda: None
) -> None:
    """Run an msrun command and show the log of this host's first rank on the terminal while it runs.

    All processes have ended when this returns or raises, also on Ctrl-C and SIGTERM; if this process is killed, msrun
    ends them. Logs of an earlier run in `log_dir` are removed. `end_reason` returns why the run has ended on another
    host, None if it has not.

    Raises:
        InputError: the port is in use or a rank failed; the message is the error that the rank logged, if any.
        RuntimeError: msrun or a platform started this process.
    """
    if is_launched():
        raise RuntimeError("a launched process must not start ranks: check is_launched() first")
    log_dir = Path(settings.log_dir)
    log_dir.mkdir(parents=True, exist_ok=True)
    _check_port(settings)
    for old in (*log_dir.glob("worker_*.log"), log_dir / "scheduler.log"):
        old.unlink(missing_ok=True)
    with sigterm_as_interrupt(), (log_dir / "msrun.log").open("wb") as output:
        try:
            launcher = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=_environment(settings),
                # Ctrl-C must reach this process only, which then ends the others in order.
                start_new_session=True,
                preexec_fn=_interrupt_when_parent_dies,
            )
        except FileNotFoundError:
            raise InputError("msrun is not installed beside this Python: install the environment again") from None
        watch = _SchedulerWatch(psutil.Process(launcher.pid), log_dir)
        try:
            code = _wait(launcher, watch, end_reason)
        finally:
            end_processes(launcher, watch.started)
    if code != 0:
        raise InputError(describe_failure(log_dir))


def _environment(settings: LaunchSettings) -> dict[str, str]:
    environment = {**MINDSPORE_TIME_OUTS, **os.environ}
    if settings.worker_threads:
        environment.setdefault("OMP_NUM_THREADS", str(settings.worker_threads))
    # Use msrun, and the `python` that it starts, of the environment of this process.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return environment


def _wait(launcher: subprocess.Popen[bytes], watch: "_SchedulerWatch", end_reason: Callable[[], str | None]) -> int:
    """Show the first rank's log until msrun ends or the run fails here or on another host; return the exit code."""
    follower = LogFollower(watch.log_dir, sys.stdout)
    next_check = 0.0
    while (code := launcher.poll()) is None:
        follower.show_new()
        if time.monotonic() > next_check:
            next_check = time.monotonic() + WATCH_SECONDS
            if (reason := end_reason()) is not None:
                raise InputError(reason)
            if watch.is_stuck():
                code = 1
                break
        time.sleep(POLL_SECONDS)
    follower.show_new(is_end=True)
    return code


class _SchedulerWatch:
    """Detects a scheduler that is left alone after a worker failed, and workers that are left without a scheduler.

    A scheduler is also alone, but waits for other hosts, when the workers of this host have ended without errors.
    """

    def __init__(self, launcher: psutil.Process, log_dir: Path) -> None:
        self.launcher = launcher
        self.log_dir = log_dir
        self.had_workers = self.had_scheduler = False
        self.started: set[psutil.Process] = set()
        self.last_ok_time = time.monotonic()

    def is_stuck(self) -> bool:
        """Return whether one of these states has lasted longer than its grace period."""
        running = list(filter(is_alive, children_of(self.launcher)))
        self.started.update(running)
        roles = {_role(process) for process in running}
        has_scheduler, has_workers = SCHEDULER_ROLE in roles, bool(roles - {SCHEDULER_ROLE})
        self.had_workers |= has_workers
        self.had_scheduler |= has_scheduler
        lost_scheduler = self.had_scheduler and not has_scheduler
        lost_workers = self.had_workers and not has_workers and worker_failed(self.log_dir)
        if not lost_scheduler and not lost_workers:
            self.last_ok_time = time.monotonic()
        grace = SCHEDULER_GRACE_SECONDS if lost_workers else WORKER_GRACE_SECONDS
        return time.monotonic() - self.last_ok_time > grace


def _role(process: psutil.Process) -> str:
    try:
        return process.environ().get("MS_ROLE", "")
    except psutil.Error:
        return ""


def _interrupt_when_parent_dies() -> None:
    """Have Linux send SIGINT to msrun, on which it kills its workers, when the process that started it dies."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _check_port(settings: LaunchSettings) -> None:
    """Raise InputError if the scheduler's port is in use: the workers would wait for it until their time-out."""
    address, port = settings.master_addr, settings.master_port
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.strip("[]"), port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise InputError(
                    f"port {port} of {address} is in use by another program or a run that is still ending: set "
                    "train.master_port to another port"
                ) from None
            # The address of another host, which runs the scheduler, cannot be bound here.
            logging.debug("port %d of %s is not checked: %s", port, address, error)
