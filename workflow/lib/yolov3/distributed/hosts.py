"""The hosts of a distributed run: their addresses, and the position of this host among them."""

import contextlib
import os
import socket
import subprocess

from yolov3.errors import InputError

SCONTROL_SECONDS = 60


def read_hosts(text: str) -> tuple[str, ...]:
    """Parse a comma-separated list of addresses or names, the master first; an empty text gives ().

    Raises:
        InputError: a host is listed twice.
    """
    hosts = tuple(name.strip() for name in text.split(",") if name.strip())
    for host in hosts:
        if hosts.count(host) > 1:
            raise InputError(f"hosts lists {host} twice: list each host once")
    return hosts


def slurm_nodes() -> int:
    """Return the number of hosts of the current Slurm allocation, 0 outside of one."""
    return int(os.environ.get("SLURM_JOB_NUM_NODES") or os.environ.get("SLURM_NNODES") or 0)


def slurm_hosts() -> tuple[str, ...]:
    """Return the names of the hosts of the current Slurm allocation.

    Raises:
        InputError: there is no allocation, or scontrol fails to list its hosts.
    """
    node_list = os.environ.get("SLURM_JOB_NODELIST", "")
    if not node_list:
        raise InputError("host_launcher is slurm but this is not a Slurm job: start it with sbatch or inside salloc")
    command = ["scontrol", "show", "hostnames", node_list]
    try:
        names = subprocess.run(command, capture_output=True, text=True, timeout=SCONTROL_SECONDS, check=True).stdout
    except FileNotFoundError:
        message = "host_launcher is slurm but scontrol is not installed here: run on a host of the cluster"
        raise InputError(message) from None
    except (subprocess.SubprocessError, OSError) as error:
        raise InputError(f"scontrol cannot list the hosts of {node_list} ({error}): check the Slurm job") from None
    return tuple(names.split())


def workers_per_host(group_size: int, hosts: tuple[str, ...]) -> int:
    """Return the number of ranks per host.

    Raises:
        InputError: `group_size` is not a multiple of the number of hosts.
    """
    if not hosts:
        return group_size
    if group_size % len(hosts):
        raise InputError(
            f"group_size is {group_size} but must be divisible by the number of hosts ({','.join(hosts)}): set it to a "
            f"multiple of {len(hosts)}"
        )
    return group_size // len(hosts)


def host_number(hosts: tuple[str, ...]) -> int | None:
    """Return the position of this host in `hosts`, None if it is not listed.

    Raises:
        InputError: a name cannot be resolved.
    """
    return next((number for number, host in enumerate(hosts) if _is_this_host(host)), None)


def check_master(hosts: tuple[str, ...]) -> None:
    """Check that other hosts can reach the scheduler on the first of several hosts.

    Raises:
        InputError: the name of the first host resolves to a loopback address, or cannot be resolved.
    """
    for address in _addresses(hosts[0]) if len(hosts) > 1 else []:
        if address.startswith("127.") or address == "::1":
            raise InputError(
                f"the first host, {hosts[0]}, resolves to {address}, which other hosts cannot reach: set "
                "train.hosts to its network address"
            )


def _is_this_host(host: str) -> bool:
    for address in _addresses(host):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        # Only an address of this host can be bound.
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
            return True
    return False


def _addresses(host: str) -> list[str]:
    try:
        entries = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise InputError(f"host {host} cannot be resolved ({error}): correct train.hosts, or use an address") from None
    return [str(address[0]) for *_, address in entries]
