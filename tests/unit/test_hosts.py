"""Which hosts a run has, which of them this one is, and how they learn of its end."""

from pathlib import Path

import pytest

from yolov3.distributed import run
from yolov3.distributed.end_reports import HostReports, host_folder
from yolov3.distributed.hosts import check_master, host_number, read_hosts, slurm_hosts, workers_per_host
from yolov3.distributed.rank_table import empty_rank_table
from yolov3.distributed.run import DistributedSettings, run_distributed
from yolov3.errors import InputError
from yolov3.files import write_json

TWO = ("198.51.100.1", "198.51.100.2")


def test_hosts_are_read_in_order() -> None:
    assert read_hosts("") == ()
    assert read_hosts("b.example, a.example") == ("b.example", "a.example")
    with pytest.raises(InputError, match="lists a twice"):
        read_hosts("a,b,a")


def test_workers_are_divided_evenly() -> None:
    assert workers_per_host(8, ()) == 8
    assert workers_per_host(8, TWO) == 4
    with pytest.raises(InputError, match="group_size is 3"):
        workers_per_host(3, TWO)


def test_this_host_is_found_by_its_address() -> None:
    assert host_number(("198.51.100.1", "127.0.0.1")) == 1
    assert host_number(TWO) is None
    with pytest.raises(InputError, match=r"host nowhere\.invalid cannot be resolved"):
        host_number(("nowhere.invalid",))


def test_a_first_host_that_others_cannot_reach_is_refused() -> None:
    check_master(TWO)
    check_master(("127.0.0.1",))
    with pytest.raises(InputError, match=r"localhost, resolves to 127\.0\.0\.1"):
        check_master(("localhost", "198.51.100.2"))


def test_slurm_tells_the_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_NODELIST", raising=False)
    with pytest.raises(InputError, match="this is not a Slurm job"):
        slurm_hosts()
    install_scontrol(tmp_path, monkeypatch)
    assert slurm_hosts() == ("node7", "node8")


def install_scontrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "scontrol"
    tool.write_text('#!/bin/sh\n[ "$*" = "show hostnames node[7-8]" ] && printf "node7\\nnode8\\n"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SLURM_JOB_NODELIST", "node[7-8]")


def launched(monkeypatch: pytest.MonkeyPatch, settings: DistributedSettings, log_dir: Path) -> list[str]:
    """The msrun command of this host's part."""
    commands: list[list[str]] = []
    monkeypatch.setattr(run, "run_workers", lambda command, *_: commands.append(command))
    run_distributed(["train.py", "--lr", "0.1"], settings, log_dir)
    (command,) = commands
    return command


def test_one_host_runs_all_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = launched(monkeypatch, DistributedSettings("GPU", 4, "", "print", 8118, 300), tmp_path)
    assert command == [
        *("msrun", "--worker_num=4", "--local_worker_num=4", "--master_addr=127.0.0.1", "--master_port=8118"),
        *("--node_rank=0", f"--log_dir={tmp_path}", "--join=True", "--cluster_time_out=300", "train.py", "--lr", "0.1"),
    ]


def test_a_part_is_one_msrun_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = DistributedSettings("Ascend", 16, ",".join(TWO), "print", 8200, 60, node_rank="1", rank_table="all.json")
    words = [
        *("msrun", "--worker_num=16", "--local_worker_num=8", "--master_addr=198.51.100.1", "--master_port=8200"),
        *("--node_rank=1", f"--log_dir={tmp_path / 'host_1'}", "--join=True", "--cluster_time_out=60"),
    ]
    rest = ["--bind_core=True", "train.py", "--lr", "0.1"]
    write_json("all.json", {**empty_rank_table(), "server_list": [{"server_id": TWO[0]}]})
    assert launched(monkeypatch, settings, tmp_path) == [*words, "--rank_table_file=all.json", *rest]
    # Several hosts without a table of their own.
    write_json("all.json", empty_rank_table())
    assert launched(monkeypatch, settings, tmp_path) == [*words, *rest]


def test_a_part_in_slurm_takes_its_number_and_the_first_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_scontrol(tmp_path, monkeypatch)
    monkeypatch.setenv("SLURM_NODEID", "1")
    settings = DistributedSettings("GPU", 2, "", "slurm", 8118, 300, node_rank="slurm")
    command = launched(monkeypatch, settings, tmp_path)
    assert {"--node_rank=1", "--master_addr=node7", "--local_worker_num=1", "--worker_num=2"} <= set(command)


def test_workers_on_the_cpu_have_cores_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {2, 3, 5, 8, 9})
    settings = DistributedSettings("CPU", 2, "", "print", 8118, 300)
    assert '--bind_core={"device0": ["2", "3"], "device1": ["5", "8"]}' in launched(monkeypatch, settings, tmp_path)
    many = DistributedSettings("CPU", 6, "", "print", 8118, 300)
    assert not any("bind_core" in word for word in launched(monkeypatch, many, tmp_path))


@pytest.mark.parametrize("number", ["2", "x"])
def test_a_wrong_node_rank_is_refused(number: str, tmp_path: Path) -> None:
    settings = DistributedSettings("CPU", 2, ",".join(TWO), "print", 8118, 300, node_rank=number)
    with pytest.raises(InputError, match=f"node_rank is {number}"):
        run_distributed(["train.py"], settings, tmp_path)


def test_a_host_that_is_none_of_them_is_refused(tmp_path: Path) -> None:
    settings = DistributedSettings("CPU", 2, ",".join(TWO), "print", 8118, 300)
    with pytest.raises(InputError, match=r"this host is none of 198\.51\.100\.1,198\.51\.100\.2"):
        run_distributed(["train.py"], settings, tmp_path)


def test_the_end_on_one_host_is_heard_on_the_other(tmp_path: Path) -> None:
    first, second = HostReports(tmp_path, TWO, 0), HostReports(tmp_path, TWO, 1)
    assert first.end_reason() is None
    second.report_end("the disk is füll")
    assert first.end_reason() == "the disk is füll (host 1, 198.51.100.2)"
    assert second.end_reason() is None


def test_what_an_earlier_run_told_is_not_heard(tmp_path: Path) -> None:
    HostReports(tmp_path, TWO, 1).report_end("out of memory")
    first = HostReports(tmp_path, TWO, 0)
    assert first.end_reason() is None
    second = HostReports(tmp_path, TWO, 1)
    assert first.end_reason() is None
    second.report_end("out of memory")
    assert first.end_reason() == "out of memory (host 1, 198.51.100.2)"


def test_a_report_that_is_not_whole_yet_is_not_heard(tmp_path: Path) -> None:
    reports = HostReports(tmp_path, TWO, 0)
    path = host_folder(tmp_path, 1) / "ended.json"
    path.parent.mkdir()
    path.write_text('{"reason": "half', encoding="utf-8")
    assert reports.end_reason() is None


def test_who_only_starts_the_hosts_is_heard_by_all(tmp_path: Path) -> None:
    starter = HostReports(tmp_path, TWO, None)
    host = HostReports(tmp_path, TWO, 1)
    starter.report_end("the run was interrupted")
    assert host.end_reason() == "the run was interrupted (the starting process)"
