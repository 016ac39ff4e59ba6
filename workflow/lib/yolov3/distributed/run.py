"""A distributed run from the host that it is started on: this host's workers, and the other hosts' parts.

Each host runs the same script, which starts its workers by one msrun call. The first of the hosts runs the scheduler.
All share the file system that the run's folder is on.
"""

import contextlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from yolov3.distributed.end_reports import HostReports, host_folder
from yolov3.distributed.host_launchers import SshParts, part_words, run_srun, shell_text
from yolov3.distributed.hosts import check_master, own_number, read_hosts, slurm_hosts, workers_per_host
from yolov3.distributed.msrun import LaunchSettings, msrun_command, run_workers
from yolov3.distributed.rank_table import lists_devices
from yolov3.errors import InputError
from yolov3.process import shared_cpus, sigterm_as_interrupt


@dataclass(frozen=True)
class DistributedSettings:
    """Fields are the config's `train` keys of the same names, and:

    Attributes:
        node_rank: number of this host's part, "slurm" to take Slurm's; "" finds it and starts the other parts too.
        rank_table: rank table file for Ascend; "" for none.
    """

    device_target: str
    group_size: int
    hosts: str
    host_launcher: str
    master_port: int
    cluster_time_out: int
    node_rank: str = ""
    rank_table: str = ""


def run_distributed(script_and_args: Sequence[str], settings: DistributedSettings, log_dir: Path) -> None:
    """Run a script as `group_size` workers on one or several hosts, to the end of the parts started here.

    Args:
        script_and_args: the script, absolute, and its arguments; a worker is the same script started by msrun.
        settings: see `DistributedSettings`.
        log_dir: folder of the workers' logs, with a folder for each of several hosts in it.

    Raises:
        InputError: the hosts cannot be used, or a worker or host failed.
    """
    by_slurm = settings.host_launcher == "slurm"
    hosts = slurm_hosts() if by_slurm else read_hosts(settings.hosts)
    local_workers = workers_per_host(settings.group_size, hosts)
    with sigterm_as_interrupt():
        if not hosts:
            logging.info("training with %d workers; their logs are in %s", local_workers, log_dir)
            launch = _launch_settings(settings, ("127.0.0.1",), 0, log_dir)
            run_workers(msrun_command(script_and_args, launch), launch)
        elif by_slurm and not settings.node_rank:
            logging.info("training with %d workers on each of %s; logs: %s", local_workers, ",".join(hosts), log_dir)
            reports = HostReports(log_dir, hosts, None)
            with _told(reports):
                run_srun(part_words(script_and_args, "slurm"), len(hosts), reports.heard)
        else:
            _run_parts(script_and_args, settings, hosts, log_dir)


def _run_parts(
    script_and_args: Sequence[str], settings: DistributedSettings, hosts: tuple[str, ...], log_dir: Path
) -> None:
    """Run this host's part, and let the other hosts run theirs unless this one was started by another."""
    number = _own_number(settings, hosts)
    others = [] if settings.node_rank else [other for other in range(len(hosts)) if other != number]
    commands = {hosts[other]: part_words(script_and_args, str(other)) for other in others}
    logs = {hosts[other]: host_folder(log_dir, other) / "part.log" for other in others}
    if settings.host_launcher == "print":
        for host, words in commands.items():
            logging.info("now run on %s:\n%s", host, shell_text(words))
        commands = {}
    reports = HostReports(log_dir, hosts, number)
    with SshParts(commands, logs) as parts, _told(reports):
        if number is not None:
            own_dir = host_folder(log_dir, number)
            logging.info("host %d of %s; the logs of its workers are in %s", number, ",".join(hosts), own_dir)
            launch = _launch_settings(settings, hosts, number, own_dir)
            command = msrun_command(script_and_args, launch)
            run_workers(command, launch, lambda: reports.heard() or parts.failure())
        parts.wait(reports.heard)


@contextlib.contextmanager
def _told(reports: HostReports) -> Iterator[None]:
    """Tell the other hosts when the run fails or is interrupted here."""
    try:
        yield
    except (InputError, KeyboardInterrupt) as error:
        reports.tell(str(error) or "the run was interrupted")
        raise


def _own_number(settings: DistributedSettings, hosts: tuple[str, ...]) -> int | None:
    node_rank = os.environ.get("SLURM_NODEID", "") if settings.node_rank == "slurm" else settings.node_rank
    if node_rank:
        if not node_rank.isdecimal() or int(node_rank) >= len(hosts):
            raise InputError(f"node_rank is {node_rank} but the {len(hosts)} hosts count from 0: correct it")
        return int(node_rank)
    check_master(hosts)
    number = own_number(hosts)
    if number is None and settings.host_launcher == "print":
        raise InputError(
            f"this host is none of {','.join(hosts)}: run on one of them, or let ssh start all parts (host_launcher)"
        )
    return number


def _launch_settings(
    settings: DistributedSettings, hosts: tuple[str, ...], number: int, log_dir: Path
) -> LaunchSettings:
    local_workers = workers_per_host(settings.group_size, hosts)
    is_ascend = settings.device_target == "Ascend"
    # On a CPU, workers that share cores wait for each other in every layer.
    cpus = shared_cpus(local_workers) if settings.device_target == "CPU" and local_workers > 1 else []
    bound = {f"device{worker}": [str(cpu) for cpu in share] for worker, share in enumerate(cpus)}
    return LaunchSettings(
        worker_num=settings.group_size,
        local_worker_num=local_workers,
        master_addr=hosts[0],
        master_port=settings.master_port,
        node_rank=number,
        log_dir=log_dir,
        cluster_time_out=settings.cluster_time_out,
        rank_table_file=settings.rank_table if is_ascend and lists_devices(settings.rank_table) else "",
        bind_core="True" if is_ascend else json.dumps(bound) if bound else "",
        worker_threads=len(cpus[0]) if cpus else 0,
    )
