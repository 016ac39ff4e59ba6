"""Several workers of one script on this host through MindSpore's launcher msrun, and how they end.

msrun starts a scheduler and the workers; each runs the same script with MS_ROLE=MS_SCHED or MS_WORKER in its
environment. With join, msrun kills the other workers when one has failed, but then waits for the scheduler, which waits
for its own time-out; and workers live in sessions of their own, so that a signal to msrun's group does not reach them.
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
# After a worker has failed, the scheduler is given this long; it would wait for its own time-out.
SCHEDULER_GRACE_SECONDS = 8.0
# Without a scheduler, workers notice that the job is lost within half a minute, unless they hang.
WORKER_GRACE_SECONDS = 60.0
# What the user has set of these stays.
MINDSPORE_TIME_OUTS = {
    # Seconds until the scheduler gives up a worker that sends no heartbeat.
    "MS_NODE_TIMEOUT": "30",
    # Seconds that a worker on the CPU waits for the others in an all-reduce: 30 by default, in which the first worker
    # could neither evaluate nor another compile. The heartbeat notices the dead much sooner.
    "MS_CPU_COMM_OP_TIMEOUT": "7200",
}
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class LaunchSettings:
    """Settings of a distributed run; the names are msrun's.

    Attributes:
        worker_num: workers on all hosts.
        local_worker_num: workers on this host.
        log_dir: folder of scheduler.log, worker_N.log and msrun.log.
        master_addr: address of the host whose msrun runs the scheduler.
        master_port: port of the scheduler.
        node_rank: number of this host, from 0.
        cluster_time_out: seconds until missing workers end the run.
        rank_table_file: rank table; None or "" for none.
        bind_core: msrun's value of the option, "True" or JSON; "" leaves it out.
        worker_threads: CPU threads of a worker's numeric library; 0 leaves that to the library.
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
    """Return whether msrun, as a worker or as the scheduler, which runs the same script, or a platform started it.

    Such a process must not start workers itself; the scheduler does its work within mindspore.communication.init.
    """
    return os.environ.get("MS_ROLE") in (WORKER_ROLE, SCHEDULER_ROLE) or is_rank_table_worker()


def msrun_command(script_and_args: Sequence[str], settings: LaunchSettings) -> list[str]:
    """Return the msrun call of this host for a Python script and its arguments."""
    words = [
        "msrun",
        f"--worker_num={settings.worker_num}",
        f"--local_worker_num={settings.local_worker_num}",
        f"--master_addr={settings.master_addr}",
        f"--master_port={settings.master_port}",
        f"--node_rank={settings.node_rank}",
        f"--log_dir={settings.log_dir}",
        "--join=True",
        f"--cluster_time_out={settings.cluster_time_out}",
    ]
    if settings.rank_table_file:
        words.append(f"--rank_table_file={settings.rank_table_file}")
    if settings.bind_core:
        words.append(f"--bind_core={settings.bind_core}")
    return words + [str(word) for word in script_and_args]


def run_workers(
    command: Sequence[str], settings: LaunchSettings, ended_elsewhere: Callable[[], str | None] = lambda: None
) -> None:
    """Run an msrun command to its end, with the log of this host's first worker on the terminal as it grows.

    All processes have ended when this returns or raises, on Ctrl-C and SIGTERM too; if this process is killed, msrun
    ends them.

    Args:
        command: what `msrun_command` returned.
        settings: what the command was made of; logs of an earlier run in `log_dir` are removed.
        ended_elsewhere: tells why the run has ended on another host, None while it has not.

    Raises:
        InputError: the port is taken or a worker failed; the sentence is the one that the worker logged, if it did.
        RuntimeError: msrun started this process.
    """
    if is_launched():
        raise RuntimeError("a launched process must not start workers: ask is_launched() first")
    log_dir = Path(settings.log_dir)
    log_dir.mkdir(parents=True, exist_ok=True)
    _check_port(settings)
    for old in (*log_dir.glob("worker_*.log"), log_dir / "scheduler.log"):
        old.unlink(missing_ok=True)
    with sigterm_as_interrupt(), (log_dir / "msrun.log").open("wb") as output:
        try:
            launcher = subprocess.Popen(
                list(command),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=_environment(settings),
                # Ctrl-C reaches this process only, which then ends all others in order.
                start_new_session=True,
                preexec_fn=_interrupt_when_parent_dies,
            )
        except FileNotFoundError:
            raise InputError("msrun is not installed beside this Python: set the environment up again") from None
        watch = _SchedulerWatch(psutil.Process(launcher.pid), log_dir)
        try:
            returned = _wait(launcher, watch, log_dir, ended_elsewhere)
        finally:
            end_processes(launcher, watch.started)
    if returned != 0:
        raise InputError(describe_failure(log_dir))


def _environment(settings: LaunchSettings) -> dict[str, str]:
    environment = {**MINDSPORE_TIME_OUTS, **os.environ}
    if settings.worker_threads:
        environment.setdefault("OMP_NUM_THREADS", str(settings.worker_threads))
    # msrun and the `python` that it starts are those of this process's environment.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return environment


def _wait(
    launcher: subprocess.Popen[bytes],
    watch: "_SchedulerWatch",
    log_dir: Path,
    ended_elsewhere: Callable[[], str | None],
) -> int:
    """Show the first worker's log until msrun ends, or until this or another host's part is lost."""
    follower = LogFollower(log_dir, sys.stdout)
    next_look = 0.0
    while (returned := launcher.poll()) is None:
        follower.show_new()
        if time.monotonic() > next_look:
            next_look = time.monotonic() + WATCH_SECONDS
            if (sentence := ended_elsewhere()) is not None:
                raise InputError(sentence)
            if watch.is_stuck():
                returned = 1
                break
        time.sleep(POLL_SECONDS)
    follower.show_new(is_end=True)
    return returned


class _SchedulerWatch:
    """Notices that a worker has failed and only the scheduler is left, or that workers are left without a scheduler.

    Workers that have ended well leave the scheduler to wait for those of other hosts.
    """

    def __init__(self, launcher: psutil.Process, log_dir: Path) -> None:
        self.launcher = launcher
        self.log_dir = log_dir
        self.had_workers = self.had_scheduler = False
        self.started: set[psutil.Process] = set()
        self.well_until = time.monotonic()

    def is_stuck(self) -> bool:
        """Return whether this has been so for too long."""
        running = list(filter(is_alive, children_of(self.launcher)))
        self.started.update(running)
        roles = {_role(process) for process in running}
        has_scheduler, has_workers = SCHEDULER_ROLE in roles, bool(roles - {SCHEDULER_ROLE})
        self.had_workers |= has_workers
        self.had_scheduler |= has_scheduler
        lost_scheduler = self.had_scheduler and not has_scheduler
        lost_workers = self.had_workers and not has_workers and worker_failed(self.log_dir)
        if not lost_scheduler and not lost_workers:
            self.well_until = time.monotonic()
        grace = SCHEDULER_GRACE_SECONDS if lost_workers else WORKER_GRACE_SECONDS
        return time.monotonic() - self.well_until > grace


def _role(process: psutil.Process) -> str:
    try:
        return process.environ().get("MS_ROLE", "")
    except psutil.Error:
        return ""


def _interrupt_when_parent_dies() -> None:
    """Ask Linux to send msrun SIGINT, on which it kills its workers, when the process that started it dies."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _check_port(settings: LaunchSettings) -> None:
    """Refuse a port of the scheduler that another program listens on: the workers would wait for their time-out."""
    address, port = settings.master_addr, settings.master_port
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.strip("[]"), port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise InputError(
                    f"port {port} of {address} is in use by another program, perhaps a run that is still ending: "
                    "give another master_port"
                ) from None
            # Another host's address cannot be bound here: the scheduler runs there.
            logging.debug("port %d of %s is not checked: %s", port, address, error)
