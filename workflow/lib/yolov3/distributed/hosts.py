"""The hosts of a distributed run: their addresses, and which of them this one is."""

import os
import shutil
import socket
import subprocess

from yolov3.errors import InputError

SCONTROL_SECONDS = 60


def read_hosts(text: str) -> tuple[str, ...]:
    """Return the addresses or names in a comma-separated list, the first is the master's; () for one host.

    Raises:
        InputError: a host is named twice.
    """
    hosts = tuple(name.strip() for name in text.split(",") if name.strip())
    for host in hosts:
        if hosts.count(host) > 1:
            raise InputError(f"hosts names {host} twice: name each host once")
    return hosts


def slurm_nodes() -> int:
    """Return the number of hosts of the Slurm allocation that this process is in, 0 outside of one."""
    return int(os.environ.get("SLURM_JOB_NUM_NODES") or os.environ.get("SLURM_NNODES") or 0)


def slurm_hosts() -> tuple[str, ...]:
    """Return the names of the hosts of the Slurm allocation that this process is in.

    Raises:
        InputError: there is no allocation, or scontrol cannot tell its hosts.
    """
    node_list = os.environ.get("SLURM_JOB_NODELIST", "")
    if not node_list:
        raise InputError("host_launcher is slurm but this is no Slurm job: run it by sbatch or within salloc")
    scontrol = shutil.which("scontrol")
    if scontrol is None:
        raise InputError("host_launcher is slurm but scontrol is not installed here: run on a host of the cluster")
    try:
        answer = subprocess.run(
            [scontrol, "show", "hostnames", node_list],
            capture_output=True,
            text=True,
            timeout=SCONTROL_SECONDS,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
        raise InputError(f"scontrol does not tell the hosts of {node_list} ({error}): check the Slurm job") from None
    return tuple(answer.stdout.split())


def workers_per_host(group_size: int, hosts: tuple[str, ...]) -> int:
    """Return how many of `group_size` workers each host runs.

    Raises:
        InputError: they cannot be divided evenly.
    """
    if not hosts:
        return group_size
    if group_size % len(hosts):
        raise InputError(
            f"group_size is {group_size}, which the {len(hosts)} hosts {','.join(hosts)} cannot share evenly: "
            f"set it to a multiple of {len(hosts)}"
        )
    return group_size // len(hosts)


def own_number(hosts: tuple[str, ...]) -> int | None:
    """Return the position of this host in `hosts`, None if it is none of them.

    Raises:
        InputError: a name is not known here.
    """
    return next((number for number, host in enumerate(hosts) if _is_here(host)), None)


def check_master(hosts: tuple[str, ...]) -> None:
    """Refuse a first host whose name means this host only: the others could not reach its scheduler.

    Raises:
        InputError: several hosts, and the first's name stands for a loopback address or is not known.
    """
    if len(hosts) > 1:
        for address in _addresses(hosts[0]):
            if address.startswith("127.") or address == "::1":
                raise InputError(
                    f"the first of the hosts, {hosts[0]}, is {address} here, where no other host reaches it: "
                    "give its address in the network"
                )


def _is_here(host: str) -> bool:
    """Only an address of this host can be bound."""
    for address in _addresses(host):
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((address, 0))
                return True
            except OSError:
                continue
    return False


def _addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise InputError(f"host {host} is not known here ({error}): correct train.hosts, or give its address") from None
    return [str(address[0]) for *_, address in found]
