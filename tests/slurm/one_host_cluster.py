"""A Slurm cluster of this one host, whose daemons live as long as a with statement."""

import getpass
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from yolov3.errors import InputError

# The host as Slurm is told of it: large enough for what the profile asks for, whatever it has.
CPUS = 64
MEMORY_MB = 256000
START_SECONDS = 30
STOP_SECONDS = 15


class OneHostCluster:
    """munged, slurmctld and slurmd, run by the caller from one folder.

    Attributes:
        environment: environment in which Slurm's commands speak to this cluster.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        self.daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "OneHostCluster":
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def finished_jobs(self) -> dict[str, str]:
        """Return the last state of each job that has ended, by its number, as slurmctld recorded it."""
        record = self.folder / "finished.txt"
        text = record.read_text() if record.is_file() else ""
        return dict(re.findall(r"^JobId=(\d+) .*?JobState=(\w+)", text, re.MULTILINE))

    def _start(self) -> None:
        # munged wants its socket to be reached by all users.
        self.folder.chmod(0o711)
        for name in ("state", "spool", "bin"):
            (self.folder / name).mkdir()
        # Snakemake's plugin takes SLURM_CONF away from srun, which is fine where the file is in /etc only.
        srun = self.folder / "bin" / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.environment["SLURM_CONF"]} exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(1024))
        (self.folder / "slurm.conf").write_text(self._configuration())
        files = {
            "key-file": "munge.key",
            "log-file": "munged.log",
            "pid-file": "munged.pid",
            "seed-file": "munged.seed",
        }
        options = {**files, "socket": "munge.socket"}
        self._run_daemon("munged", "--foreground", *(f"--{key}={self.folder / name}" for key, name in options.items()))
        self._wait_for("munged", (self.folder / "munge.socket").exists)
        self._run_daemon("slurmctld", "-D", "-i")
        self._run_daemon("slurmd", "-D", "-N", _host())
        self._wait_for("slurmctld and slurmd", self._is_idle)

    def _configuration(self) -> str:
        controller_port, node_port = _free_ports(2)
        settings = {
            "ClusterName": "onehost",
            "SlurmctldHost": f"{_host()}(127.0.0.1)",
            "SlurmctldPort": controller_port,
            "SlurmdPort": node_port,
            "SlurmUser": getpass.getuser(),
            "SlurmdUser": getpass.getuser(),
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self.folder / 'munge.socket'}",
            "CryptoType": "crypto/munge",
            "StateSaveLocation": self.folder / "state",
            "SlurmdSpoolDir": self.folder / "spool",
            "SlurmctldPidFile": self.folder / "slurmctld.pid",
            "SlurmdPidFile": self.folder / "slurmd.pid",
            # Needs no cgroups, which a container does not have.
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "JobAcctGatherType": "jobacct_gather/none",
            "JobCompType": "jobcomp/filetxt",
            "JobCompLoc": self.folder / "finished.txt",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_CPU_Memory",
            # The CPUs and the memory below hold, not those that there are.
            "SlurmdParameters": "config_overrides",
            "SchedulerParameters": "batch_sched_delay=1",
            "MpiDefault": "none",
            "ReturnToService": 2,
            "NodeName": f"{_host()} NodeAddr=127.0.0.1 CPUs={CPUS} RealMemory={MEMORY_MB} State=UNKNOWN",
            "PartitionName": f"all Nodes={_host()} Default=YES MaxTime=INFINITE State=UP",
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    def _run_daemon(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.log").open("wb") as log:
            self.daemons.append(
                subprocess.Popen(
                    command,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def _wait_for(self, name: str, is_ready: Callable[[], bool]) -> None:
        end = time.monotonic() + START_SECONDS
        while not is_ready():
            if time.monotonic() > end or any(daemon.poll() is not None for daemon in self.daemons):
                logs = "\n".join(log.read_text(errors="replace")[-2000:] for log in sorted(self.folder.glob("*.log")))
                raise InputError(f"{name} did not start; the daemons said:\n{logs}")
            time.sleep(0.2)

    def _is_idle(self) -> bool:
        return self._output("sinfo", "--noheader", "--format=%T") == "idle"

    def _output(self, *command: str) -> str:
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False).stdout.strip()

    def _stop(self) -> None:
        """End the jobs, then the daemons, last to first, then what a job may have left."""
        if len(self.daemons) == 3:
            self._output("scancel", "--user", getpass.getuser())
            end = time.monotonic() + STOP_SECONDS
            while self._output("squeue", "--noheader") and time.monotonic() < end:
                time.sleep(0.2)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.pid != os.getpid() and process.environ().get("SLURM_CONF") == self.environment["SLURM_CONF"]:
                    process.kill()


def _host() -> str:
    return socket.gethostname().split(".")[0]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
