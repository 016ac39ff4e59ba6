"""How the part of a run that another host has is started there: by hand, by ssh, or by Slurm's srun."""

import contextlib
import logging
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from yolov3.errors import InputError

# A part that is told to end needs a look at the shared folder and a few seconds to end its workers.
PART_GRACE_SECONDS = 20.0
POLL_SECONDS = 0.5
# Asks for nothing, and notices a host that is gone.
SSH_OPTIONS = ("-n", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=15")
# A shell that ssh starts does not read the files that set these up.
FORWARDED = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH")
FORWARDED_PREFIXES = ("ASCEND_", "CUDA_", "GLOG_", "HCCL_", "MS_", "NCCL_", "OMP_", "ONEDNN_")

Heard = Callable[[], str | None]
"""Tells why the run has ended on another host, None while it has not."""


def part_words(script_and_args: Sequence[str], node_rank: str) -> list[str]:
    """Return the command by which a host runs its own part only; the log is the starting host's."""
    return [sys.executable, *script_and_args, "--log_file", "", "--node_rank", node_rank]


def shell_text(words: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Return a line for a shell on another host that runs `words` in the folder that this process is in."""
    variables = [f"{name}={value}" for name, value in (environment or {}).items()]
    command = shlex.join(["env", *variables, *words] if variables else words)
    return f"cd {shlex.quote(str(Path.cwd()))} && {command}"


class SshParts:
    """The parts that other hosts run, each through an ssh of its own.

    Args:
        commands: words to run for each host name.
        logs: file for each host name that takes what its part prints.
    """

    def __init__(self, commands: Mapping[str, Sequence[str]], logs: Mapping[str, Path]) -> None:
        self.commands = commands
        self.logs = logs
        self.parts: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "SshParts":
        forwarded = {
            name: value
            for name, value in os.environ.items()
            if name in FORWARDED or name.startswith(FORWARDED_PREFIXES)
        }
        for host, words in self.commands.items():
            self.logs[host].parent.mkdir(parents=True, exist_ok=True)
            command = ["ssh", *SSH_OPTIONS, host.strip("[]"), shell_text(words, forwarded)]
            with self.logs[host].open("wb") as log:
                try:
                    # Ctrl-C reaches this process only, which then lets the parts know.
                    self.parts[host] = subprocess.Popen(
                        command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
                    )
                except FileNotFoundError:
                    raise InputError(
                        "host_launcher is ssh but ssh is not installed here: install it, or set host_launcher to print"
                    ) from None
        return self

    def failure(self) -> str | None:
        """Return a sentence about a part that has failed, None if there is none."""
        for host, part in self.parts.items():
            if part.poll():
                lines = self.logs[host].read_text(encoding="utf-8", errors="replace").strip().splitlines() or [
                    "no word"
                ]
                return f"host {host} failed to run its part ({lines[-1].strip()[:300]}): its log is {self.logs[host]}"
        return None

    def wait(self, heard: Heard) -> None:
        """Wait for all parts to end.

        Raises:
            InputError: one failed; the sentence is the one heard from it, if any.
        """
        while any(part.poll() is None for part in self.parts.values()) and self.failure() is None:
            time.sleep(POLL_SECONDS)
        if (failure := self.failure()) is not None:
            raise InputError(heard() or failure)

    def __exit__(self, _type: type | None, error: BaseException | None, _traceback: TracebackType | None) -> None:
        deadline = time.monotonic() + (PART_GRACE_SECONDS if error else 0.0)
        for host, part in self.parts.items():
            try:
                part.wait(timeout=max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                logging.warning("host %s has not ended its part: it may be cut off", host)
                part.terminate()
                part.wait()


def run_srun(words: Sequence[str], host_count: int, heard: Heard) -> None:
    """Run a command once on each of the hosts of a Slurm allocation.

    Raises:
        InputError: srun is missing or a part failed; the sentence is the one heard from it, if any.
    """
    command = [
        *("srun", f"--nodes={host_count}", f"--ntasks={host_count}", "--ntasks-per-node=1"),
        # The step that this process is in holds the allocation's devices and cores: share them.
        *("--overlap", "--cpu-bind=none", "--kill-on-bad-exit=1", *words),
    ]
    try:
        srun = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except FileNotFoundError:
        raise InputError(
            "host_launcher is slurm but srun is not installed here: run on a host of the cluster"
        ) from None
    try:
        returned = srun.wait()
    except KeyboardInterrupt:
        # srun passes it on to the parts.
        srun.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            srun.wait(timeout=PART_GRACE_SECONDS)
        srun.kill()
        srun.wait()
        raise
    if returned != 0:
        raise InputError(heard() or f"srun ended with code {returned}: read the lines above, and the logs of the hosts")
