"""Starting a run's parts on other hosts: by hand, by ssh, or by Slurm's srun."""

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

# Time for a part to read the end report in the shared folder and to end its processes.
PART_GRACE_SECONDS = 20.0
POLL_SECONDS = 0.5
# Never prompt, and detect a host that no longer responds.
SSH_OPTIONS = ("-n", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=15")
# ssh starts a non-login shell, which does not read the files that set these variables.
FORWARDED = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH")
FORWARDED_PREFIXES = ("ASCEND_", "CUDA_", "GLOG_", "HCCL_", "MS_", "NCCL_", "OMP_", "ONEDNN_")

EndReason = Callable[[], str | None]
"""Returns why the run has ended on another host, None if it has not."""


def part_words(script_and_args: Sequence[str], node_rank: str) -> list[str]:
    """Return the command that runs only the part of host `node_rank`, without a log file of the stage."""
    return [sys.executable, *script_and_args, "--log_file", "", "--node_rank", node_rank]


def shell_text(words: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Return a shell command line for another host that runs `words` in the current folder of this process."""
    variables = [f"{name}={value}" for name, value in (environment or {}).items()]
    command = shlex.join(["env", *variables, *words] if variables else words)
    return f"cd {shlex.quote(str(Path.cwd()))} && {command}"


class SshParts:
    """The parts of a run on other hosts: an ssh process for each host's command words, with its output in a log."""

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
                    # Ctrl-C must reach this process only, which then reports the end to the parts.
                    self.parts[host] = subprocess.Popen(
                        command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
                    )
                except FileNotFoundError:
                    raise InputError(
                        "host_launcher is ssh but ssh is not installed here: install it, or set host_launcher to print"
                    ) from None
        return self

    def failure(self) -> str | None:
        """Return a message about the first part that failed, None if none did."""
        for host, part in self.parts.items():
            if part.poll():
                output = self.logs[host].read_text(encoding="utf-8", errors="replace").strip() or "no output"
                last_line = output.splitlines()[-1].strip()[:300]
                return f"host {host} failed to run its part ({last_line}): see its log {self.logs[host]}"
        return None

    def wait(self, end_reason: EndReason) -> None:
        """Wait for all parts to end.

        Raises:
            InputError: a part failed; the message is the reason that it reported, if any.
        """
        while any(part.poll() is None for part in self.parts.values()) and self.failure() is None:
            time.sleep(POLL_SECONDS)
        if (failure := self.failure()) is not None:
            raise InputError(end_reason() or failure)

    def __exit__(self, _type: type | None, error: BaseException | None, _traceback: TracebackType | None) -> None:
        deadline = time.monotonic() + (PART_GRACE_SECONDS if error else 0.0)
        for host, part in self.parts.items():
            try:
                part.wait(timeout=max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                logging.warning("the part on host %s has not ended: check that the host is reachable", host)
                part.terminate()
                part.wait()


def run_srun(words: Sequence[str], host_count: int, end_reason: EndReason) -> None:
    """Run a command once on each host of a Slurm allocation.

    Raises:
        InputError: srun is missing or a part failed; the message is the reason that the part reported, if any.
    """
    command = [
        *("srun", f"--nodes={host_count}", f"--ntasks={host_count}", "--ntasks-per-node=1"),
        # The Slurm step of this process holds the allocation's devices and cores: share them.
        *("--overlap", "--cpu-bind=none", "--kill-on-bad-exit=1", *words),
    ]
    try:
        srun = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except FileNotFoundError:
        raise InputError(
            "host_launcher is slurm but srun is not installed here: run on a host of the cluster"
        ) from None
    try:
        code = srun.wait()
    except KeyboardInterrupt:
        # srun forwards SIGTERM to the parts.
        srun.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            srun.wait(timeout=PART_GRACE_SECONDS)
        srun.kill()
        srun.wait()
        raise
    if code != 0:
        raise InputError(end_reason() or f"srun ended with code {code}: see its output above and the hosts' logs")
