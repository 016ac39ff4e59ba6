"""Two hosts made of network namespaces on this machine, joined by a virtual cable."""

import contextlib
import os
import subprocess
from collections.abc import Iterator

import psutil
import pytest

ADDRESSES = ("192.0.2.1", "192.0.2.2")

# Stands for ssh: takes its options, then runs the command in the namespace of the host.
FAKE_SSH = """#!/bin/sh
while [ $# -gt 2 ]; do shift; done
case "$1" in
{first}) name={names[0]};;
{second}) name={names[1]};;
*) echo "ssh: no route to host $1" >&2; exit 255;;
esac
exec ip netns exec "$name" env -i HOME="$HOME" sh -c "$2"
"""

# Stands for srun: takes its options, then runs the command on all hosts of the job.
FAKE_SRUN = """#!/bin/sh
while [ "${{1#--}}" != "$1" ]; do shift; done
SLURM_NODEID=0 ip netns exec {names[0]} "$@" & first=$!
SLURM_NODEID=1 ip netns exec {names[1]} "$@" & second=$!
trap 'kill $first $second' TERM
wait $first && wait $second
"""
FAKE_SCONTROL = """#!/bin/sh
[ "$*" = "show hostnames node[1-2]" ] && printf "{first}\\n{second}\\n"
"""


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


@contextlib.contextmanager
def two_namespaces() -> Iterator[tuple[str, str]]:
    """Yield the names of two namespaces with the addresses `ADDRESSES`; skip the test where they cannot be made."""
    names = (f"yolo-a{os.getpid()}", f"yolo-b{os.getpid()}")
    try:
        try:
            for name in names:
                ip("netns", "add", name)
                ip("-n", name, "link", "set", "lo", "up")
            ip("link", "add", "veth0", "netns", names[0], "type", "veth", "peer", "name", "veth0", "netns", names[1])
            for name, address in zip(names, ADDRESSES, strict=True):
                ip("-n", name, "address", "add", f"{address}/24", "dev", "veth0")
                ip("-n", name, "link", "set", "veth0", "up")
        except OSError as error:
            pytest.skip(f"network namespaces cannot be made here, as root with iproute2 they can: {error}")
        yield names
    finally:
        for name in names:
            with contextlib.suppress(OSError):
                end_host(name)
                ip("netns", "delete", name)


def processes_of(name: str) -> list[psutil.Process]:
    """The processes in a namespace."""
    listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
    return [psutil.Process(int(number)) for number in listed.stdout.split() if psutil.pid_exists(int(number))]


def worker_of(name: str) -> psutil.Process:
    """The one worker in a namespace."""
    (worker,) = [
        process
        for process in processes_of(name)
        if process.environ().get("MS_ROLE") == "MS_WORKER" and "tail" not in process.name()
    ]
    return worker


def end_host(name: str) -> None:
    """Kill all processes in a namespace at once, as when a host loses its power."""
    for process in processes_of(name):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    for process in processes_of(name):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
