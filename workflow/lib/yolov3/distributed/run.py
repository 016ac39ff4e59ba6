"""A distributed run: the ranks of this host, and the parts of the other hosts.

Each host runs the same script, which starts its ranks by one msrun call. The first host runs the scheduler. The folder
of the run must be on a file system that all hosts share.
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
from yolov3.distributed.hosts import check_master, host_number, read_hosts, slurm_hosts, workers_per_host
from yolov3.distributed.msrun import LaunchSettings, msrun_command, run_workers
from yolov3.distributed.rank_table import lists_devices
from yolov3.errors import InputError
from yolov3.process import shared_cpus, sigterm_as_interrupt


@dataclass(frozen=True)
class DistributedSettings:
    """Settings of a distributed run; fields not listed are the keys of the same names in config section `train`.

    Attributes:
        node_rank: number of this host, "slurm" for Slurm's node id; "" detects it and starts the other hosts' parts.
        rank_table: path of the rank table for Ascend; "" for none.
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
    """Run a script on `group_size` ranks on one or several hosts, and wait for the parts started here.

    The script has an absolute path. `log_dir` gets the ranks' logs; with several hosts, in a subfolder for each.

    Raises:
        InputError: the hosts cannot be used, or a rank or host failed.
    """
    by_slurm = settings.host_launcher == "slurm"
    hosts = slurm_hosts() if by_slurm else read_hosts(settings.hosts)
    local_workers = workers_per_host(settings.group_size, hosts)
    with sigterm_as_interrupt():
        if not hosts:
            logging.info("training on %d ranks; their logs are in %s", local_workers, log_dir)
            launch = _launch_settings(settings, ("127.0.0.1",), 0, log_dir)
            run_workers(msrun_command(script_and_args, launch), launch)
        elif by_slurm and not settings.node_rank:
            logging.info("training on %d ranks on each of %s; logs: %s", local_workers, ",".join(hosts), log_dir)
            reports = HostReports(log_dir, hosts, None)
            with _report_failure(reports):
                run_srun(part_words(script_and_args, "slurm"), len(hosts), reports.end_reason)
        else:
            _run_parts(script_and_args, settings, hosts, log_dir)


def _run_parts(
    script_and_args: Sequence[str], settings: DistributedSettings, hosts: tuple[str, ...], log_dir: Path
) -> None:
    """Run this host's part; unless another host started this process, start the other hosts' parts too."""
    own_number = _own_number(settings, hosts)
    to_start = [] if settings.node_rank else [number for number in range(len(hosts)) if number != own_number]
    commands = {hosts[number]: part_words(script_and_args, str(number)) for number in to_start}
    logs = {hosts[number]: host_folder(log_dir, number) / "part.log" for number in to_start}
    if settings.host_launcher == "print":
        for host, words in commands.items():
            logging.info("now run on %s:\n%s", host, shell_text(words))
        commands = {}
    reports = HostReports(log_dir, hosts, own_number)
    with SshParts(commands, logs) as parts, _report_failure(reports):
        if own_number is not None:
            own_dir = host_folder(log_dir, own_number)
            logging.info("host %d of %s; the logs of its ranks are in %s", own_number, ",".join(hosts), own_dir)
            launch = _launch_settings(settings, hosts, own_number, own_dir)
            command = msrun_command(script_and_args, launch)
            run_workers(command, launch, lambda: reports.end_reason() or parts.failure())
        parts.wait(reports.end_reason)


@contextlib.contextmanager
def _report_failure(reports: HostReports) -> Iterator[None]:
    """Report to the other hosts when the run fails or is interrupted here."""
    try:
        yield
    except (InputError, KeyboardInterrupt) as error:
        reports.report_end(str(error) or "the run was interrupted")
        raise


def _own_number(settings: DistributedSettings, hosts: tuple[str, ...]) -> int | None:
    node_rank = os.environ.get("SLURM_NODEID", "") if settings.node_rank == "slurm" else settings.node_rank
    if node_rank:
        if not node_rank.isdecimal() or int(node_rank) >= len(hosts):
            raise InputError(f"node_rank is {node_rank} but must be from 0 to {len(hosts) - 1}: correct it")
        return int(node_rank)
    check_master(hosts)
    number = host_number(hosts)
    if number is None and settings.host_launcher == "print":
        raise InputError(
            f"this host is none of {','.join(hosts)}: run on one of them, or set train.host_launcher to ssh"
        )
    return number


def _launch_settings(
    settings: DistributedSettings, hosts: tuple[str, ...], number: int, log_dir: Path
) -> LaunchSettings:
    local_workers = workers_per_host(settings.group_size, hosts)
    is_ascend = settings.device_target == "Ascend"
    # On a CPU, ranks that share cores would wait for each other in every layer.
    cpus = shared_cpus(local_workers) if settings.device_target == "CPU" and local_workers > 1 else []
    cpu_binding = {f"device{rank}": [str(cpu) for cpu in share] for rank, share in enumerate(cpus)}
    return LaunchSettings(
        worker_num=settings.group_size,
        local_worker_num=local_workers,
        master_addr=hosts[0],
        master_port=settings.master_port,
        node_rank=number,
        log_dir=log_dir,
        cluster_time_out=settings.cluster_time_out,
        rank_table_file=settings.rank_table if is_ascend and lists_devices(settings.rank_table) else "",
        bind_core="True" if is_ascend else json.dumps(cpu_binding) if cpu_binding else "",
        worker_threads=len(cpus[0]) if cpus else 0,
    )
