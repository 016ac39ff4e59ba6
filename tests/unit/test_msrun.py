"""The launcher: msrun's command line, and with a stand-in for msrun how a run is shown and how it ends.

The stand-in starts processes as msrun does: a scheduler in its own group, workers in sessions of their own.
"""

import logging
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import MARK, processes_with, wait_until

from yolov3.distributed import msrun
from yolov3.distributed.msrun import LaunchSettings, is_launched, msrun_command, run_workers
from yolov3.distributed.worker_logs import describe_failure
from yolov3.errors import InputError
from yolov3.log_lines import WATCHED
from yolov3.terminal import RESULT

FAKE_MSRUN = """
import os, signal, subprocess, sys, time
from pathlib import Path

log_dir, scheduler_script, *worker_scripts = sys.argv[1:]
log_dir = Path(log_dir)

def start(script, role, name, **options):
    with (log_dir / name).open("w") as log:
        environment = {**os.environ, "MS_ROLE": role}
        return subprocess.Popen([sys.executable, "-c", script], stdout=log, stderr=log, env=environment, **options)

scheduler = start(scheduler_script, "MS_SCHED", "scheduler.log")
workers = [
    start(script, "MS_WORKER", f"worker_{rank}.log", start_new_session=True)
    for rank, script in enumerate(worker_scripts)
]

def interrupted(*_):
    for process in [*workers, scheduler]:
        process.kill()
    sys.exit(0)

signal.signal(signal.SIGINT, interrupted)
while any(worker.poll() is None for worker in workers) and not any(worker.poll() for worker in workers):
    time.sleep(0.05)
failed = any(worker.poll() for worker in workers)
for worker in workers:
    if worker.poll():
        print(f"Worker process {worker.pid} exit with exception. Error code: {worker.poll()}.", flush=True)
for worker in workers:
    worker.kill()
sys.exit(scheduler.wait() or failed)
"""
SLEEP = "import time; time.sleep(600)"
SHORT = "import time; time.sleep(0.5)"


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    return tmp_path / "Läufe der Nacht" / "logs"


@pytest.fixture
def command(tmp_path: Path, log_dir: Path) -> Callable[..., list[str]]:
    script = tmp_path / "msrun.py"
    script.write_text(FAKE_MSRUN, encoding="utf-8")
    return lambda *scripts: [sys.executable, str(script), str(log_dir), *scripts]


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A word in the environment of all processes of a test, to find those that are left."""
    monkeypatch.setenv(MARK, str(tmp_path))
    return str(tmp_path)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_command_is_the_documented_one() -> None:
    settings = LaunchSettings(8, 4, "my logs", "10.0.0.7", 8119, 1, 60, "hccl.json", bind_core="True")

    assert msrun_command(["train.py", "--lr", "0.1"], settings) == [
        "msrun",
        "--worker_num=8",
        "--local_worker_num=4",
        "--master_addr=10.0.0.7",
        "--master_port=8119",
        "--node_rank=1",
        "--log_dir=my logs",
        "--join=True",
        "--cluster_time_out=60",
        "--rank_table_file=hccl.json",
        "--bind_core=True",
        "train.py",
        "--lr",
        "0.1",
    ]
    plain = msrun_command(["train.py"], LaunchSettings(2, 2, "logs"))
    assert plain[-2:] == ["--cluster_time_out=300", "train.py"]


@pytest.mark.parametrize(
    ("role", "launched"),
    [("MS_WORKER", True), ("MS_SCHED", True), (None, False)],
)
def test_role_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, role: str | None, launched: bool) -> None:
    monkeypatch.delenv("MS_ROLE", raising=False)
    if role:
        monkeypatch.setenv("MS_ROLE", role)
    assert is_launched() == launched


@pytest.mark.parametrize("role", ["MS_WORKER", "MS_SCHED"])
def test_launched_process_starts_no_workers(monkeypatch: pytest.MonkeyPatch, role: str, log_dir: Path) -> None:
    monkeypatch.setenv("MS_ROLE", role)
    with pytest.raises(RuntimeError, match="is_launched"):
        run_workers(["msrun"], LaunchSettings(2, 2, log_dir))
    assert not log_dir.exists()


def test_first_workers_log_is_shown_without_mindspores_messages(
    command: Callable[..., list[str]], log_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log_dir.mkdir(parents=True)
    (log_dir / "worker_7.log").write_text("2026-01-01 00:00:00,000 ERROR of an earlier run\n", encoding="utf-8")
    worker = textwrap.dedent("""
        print("[WARNING] DISTRIBUTED(12,7f,python):2026 [a.cc:1] Connect] noise", flush=True)
        print("loss: [WARNING] ME(12:34,MainProcess):2026 noise\\n2.5 für alle", flush=True)
        print("50 %\\r100 %", end="")
    """)

    run_workers(command(SHORT, worker, "print('second')"), LaunchSettings(2, 2, log_dir, master_port=free_port()))

    shown = capsys.readouterr().out
    assert "loss: 2.5 für alle\n50 %\r100 %" in shown
    assert "noise" not in shown
    assert "second" not in shown
    assert "noise" in (log_dir / "worker_0.log").read_text(encoding="utf-8")
    assert not (log_dir / "worker_7.log").exists()


def test_in_a_workflow_results_and_warnings_are_the_launchers(
    command: Callable[..., list[str]],
    log_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(WATCHED, "1")
    caplog.set_level(logging.INFO)
    lines = ["INFO epoch[0], iter[0]", "RESULT validation AP:0.5", "WARNING an image is left out"]
    worker = "\n".join(f"print('2026-01-01 00:00:00,000 {line}', flush=True)" for line in lines)
    run_workers(command(SHORT, worker), LaunchSettings(1, 1, log_dir, master_port=free_port()))
    assert capsys.readouterr().out == f"2026-01-01 00:00:00,000 {lines[0]}\n"
    shown = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert shown == [(RESULT, "validation AP:0.5"), (logging.WARNING, "an image is left out")]


def test_failed_worker_ends_all_with_its_sentence(
    command: Callable[..., list[str]], log_dir: Path, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The scheduler would wait for its time-out.
    monkeypatch.setattr(msrun, "SCHEDULER_GRACE_SECONDS", 1.0)
    failing = "print('2026-01-01 00:00:01,000 ERROR batch 3 holds ä NaN: lower lr'); raise SystemExit(1)"
    words = command(SLEEP, SLEEP, f"import time; time.sleep(1.5); {failing}")

    with pytest.raises(InputError, match="batch 3 holds ä NaN: lower lr"):
        run_workers(words, LaunchSettings(2, 2, log_dir, master_port=free_port()))

    assert processes_with(mark) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_signal_ends_all_processes(
    number: signal.Signals, command: Callable[..., list[str]], log_dir: Path, mark: str
) -> None:
    words = command(SLEEP, SLEEP, SLEEP)
    program = (
        "from yolov3.distributed.msrun import LaunchSettings, run_workers; "
        f"run_workers({words!r}, LaunchSettings(2, 2, {str(log_dir)!r}, master_port={free_port()}))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL) as runner:
        # The runner, the launcher, the scheduler and two workers.
        wait_until(lambda: len(processes_with(mark)) == 5)
        time.sleep(0.3)
        runner.send_signal(number)
        runner.wait(timeout=60)

    wait_until(lambda: processes_with(mark) == [])


def test_failure_is_described_by_the_earliest_error(log_dir: Path) -> None:
    log_dir.mkdir(parents=True)
    (log_dir / "worker_0.log").write_text(
        "[ERROR] DISTRIBUTED(1,7f,python) peer lost\n2026-01-01 00:00:09,000 ERROR rank 1 is gone\n", encoding="utf-8"
    )
    (log_dir / "worker_1.log").write_text("x\n2026-01-01 00:00:08,999 ERROR disk is full\n", encoding="utf-8")

    assert describe_failure(log_dir).startswith("disk is full")
    assert "worker_1.log" in describe_failure(log_dir)


def test_failure_without_a_sentence_names_the_log_to_read(log_dir: Path) -> None:
    log_dir.mkdir(parents=True)
    (log_dir / "worker_2.log").write_text("fine\n", encoding="utf-8")
    assert str(log_dir) in describe_failure(log_dir)

    trace = "Traceback (most recent call last):\n  File\nKeyError: 'lr'\n"
    (log_dir / "worker_10.log").write_text(trace, encoding="utf-8")
    assert "worker 10" in describe_failure(log_dir)
    assert "KeyError: 'lr'" in describe_failure(log_dir)
    assert "worker_10.log" in describe_failure(log_dir)


def test_what_the_launcher_and_mindspore_saw_is_told(log_dir: Path) -> None:
    # Messages of MindSpore 2.10, shortened.
    log_dir.mkdir(parents=True)
    worker, scheduler = log_dir / "worker_0.log", log_dir / "scheduler.log"
    worker.write_text("Traceback (most recent call last):\nRuntimeError: Launch kernel failed\n", encoding="utf-8")
    (log_dir / "msrun.log").write_text(
        "[ERROR] ME(1:2,MainProcess):2026-01-01 [_api.py:365] Worker process 9 exit with exception. Error code: -9.\n",
        encoding="utf-8",
    )
    assert describe_failure(log_dir).startswith("a worker was killed by SIGKILL")

    with worker.open("a", encoding="utf-8") as log:
        log.write("Heartbeat] Failed to send heartbeat message to meta server node and try to reconnect\n")
    assert describe_failure(log_dir).startswith("the first host no longer answers")

    scheduler.write_text("UpdateTopoState] The node: 3 is timed out. It may exit with exception\n", encoding="utf-8")
    assert describe_failure(log_dir).startswith("worker 3 no longer answers")
    assert "run again goes on from the last checkpoint" in describe_failure(log_dir)


def test_scheduler_may_wait_for_other_hosts(
    command: Callable[..., list[str]], log_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(msrun, "SCHEDULER_GRACE_SECONDS", 0.5)
    words = command("import time; time.sleep(4)", SHORT)
    run_workers(words, LaunchSettings(2, 1, log_dir, master_port=free_port()))


def test_end_elsewhere_ends_the_workers_here(command: Callable[..., list[str]], log_dir: Path, mark: str) -> None:
    started = time.monotonic()

    def ended_elsewhere() -> str | None:
        return "host 1 is out of memory" if time.monotonic() - started > 1.5 else None

    with pytest.raises(InputError, match=r"^host 1 is out of memory$"):
        words = command(SLEEP, SLEEP, SLEEP)
        run_workers(words, LaunchSettings(2, 2, log_dir, master_port=free_port()), ended_elsewhere)
    wait_until(lambda: processes_with(mark) == [])


def test_workers_of_an_msrun_that_dies_are_ended(
    command: Callable[..., list[str]], log_dir: Path, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(msrun, "WATCH_SECONDS", 0.1)
    kill_msrun = "import os, time; time.sleep(3); os.kill(os.getppid(), 9); time.sleep(600)"
    with pytest.raises(InputError):
        words = command(SLEEP, SLEEP, kill_msrun)
        run_workers(words, LaunchSettings(2, 2, log_dir, master_port=free_port()))
    wait_until(lambda: processes_with(mark) == [])


def test_workers_that_outlive_their_scheduler_are_ended(
    command: Callable[..., list[str]], log_dir: Path, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(msrun, "WORKER_GRACE_SECONDS", 1.0)
    scheduler = "import time; time.sleep(2); print('The node: 1 is timed out.')"
    with pytest.raises(InputError, match="worker 1 no longer answers"):
        run_workers(command(scheduler, SLEEP), LaunchSettings(2, 1, log_dir, master_port=free_port()))
    wait_until(lambda: processes_with(mark) == [])


def test_workers_get_time_outs_and_threads_unless_the_user_has_set_them(
    command: Callable[..., list[str]], log_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MS_NODE_TIMEOUT", "77")
    names = "MS_NODE_TIMEOUT", "MS_CPU_COMM_OP_TIMEOUT", "OMP_NUM_THREADS"
    show = f"import os; print([os.environ[name] for name in {names!r}])"
    run_workers(command(SHORT, show), LaunchSettings(1, 1, log_dir, master_port=free_port(), worker_threads=3))
    assert (log_dir / "worker_0.log").read_text() == "['77', '7200', '3']\n"


def test_taken_port_is_refused(log_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        settings = LaunchSettings(2, 2, log_dir, master_port=port)
        with pytest.raises(InputError, match=f"port {port} of 127.0.0.1 is in use"):
            run_workers(msrun_command(["train.py"], settings), settings)
