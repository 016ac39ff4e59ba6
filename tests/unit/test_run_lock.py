"""Snakemake's locks are removed if their run is dead for certain, and only then."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from yolov3.process import is_alive
from yolov3.run_lock import RECORD_SUFFIX, RUN_VARIABLE, RunLock

# A run with two lock files and a job; it says when it is ready, and waits.
RUN = """
import subprocess, sys
from pathlib import Path
from yolov3.run_lock import RunLock
run = RunLock(Path(sys.argv[1]))
files = [run.locks / f"{number}.{kind}.lock" for number, kind in ((0, "input"), (0, "output"))]
for file in files:
    file.write_text("a file")
run.record(files)
job = subprocess.Popen(["sleep", "1000"], stdout=subprocess.DEVNULL)
print(job.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / ".snakemake"
    (folder / "locks").mkdir(parents=True)
    return folder


@pytest.fixture
def own_environment(monkeypatch):
    """Undo what a RunLock sets in this process."""
    monkeypatch.setenv(RUN_VARIABLE, "")


@pytest.fixture
def run(folder, own_environment):
    """A started run and the process id of its job; both are ended after the test."""
    command = [sys.executable, "-c", RUN, str(folder)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
    job = int(process.stdout.readline())
    yield process, job
    for process_id in (process.pid, job):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)
    process.communicate()


def kill(run):
    """Kill a run and its job, and wait for their end."""
    process, job = run
    seen = psutil.Process(job)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    while is_alive(seen):
        time.sleep(0.01)


def names(folder):
    return {path.name for path in (folder / "locks").iterdir() if not path.name.endswith(RECORD_SUFFIX)}


def change_record(folder, **values):
    (path,) = (folder / "locks").glob(f"*{RECORD_SUFFIX}")
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


LOCKS = {"0.input.lock", "0.output.lock"}


def test_the_locks_of_a_killed_run_are_removed(folder, run):
    kill(run)
    assert RunLock(folder).remove_dead() == [run[0].pid]
    assert not list((folder / "locks").iterdir())
    assert RunLock(folder).remove_dead() == []


def test_the_locks_of_a_living_run_stay(folder, run):
    assert RunLock(folder).remove_dead() == []
    # One that is stopped lives, too.
    os.kill(run[0].pid, signal.SIGSTOP)
    assert RunLock(folder).remove_dead() == []
    assert names(folder) == LOCKS


def test_the_locks_of_a_living_run_without_jobs_stay(folder, run):
    os.kill(run[1], signal.SIGKILL)
    assert RunLock(folder).remove_dead() == []
    assert names(folder) == LOCKS


def test_the_locks_stay_while_a_job_outlives_its_run(folder, run):
    process, _ = run
    process.kill()
    process.wait()
    assert RunLock(folder).remove_dead() == []
    assert names(folder) == LOCKS
    kill(run)
    assert RunLock(folder).remove_dead() == [process.pid]


@pytest.mark.parametrize(
    "values",
    [
        {"host": ["another", "", 1]},
        {"user": os.getuid() + 1},
        {"pid_namespace": "pid:[1]"},
        {"host": ["another", "", 1], "boot": "before"},
        {"locks": None},
    ],
    ids=str,
)
def test_the_locks_of_a_run_that_cannot_be_seen_stay(folder, run, values):
    kill(run)
    if values == {"locks": None}:
        (path,) = (folder / "locks").glob(f"*{RECORD_SUFFIX}")
        path.write_text(path.read_text()[:40])
    else:
        change_record(folder, **values)
    assert RunLock(folder).remove_dead() == []
    assert names(folder) == LOCKS


def test_no_run_outlives_a_restart_of_its_host(folder, run):
    kill(run)
    change_record(folder, boot="before", pid_namespace="pid:[1]")
    assert RunLock(folder).remove_dead() == [run[0].pid]


def test_locks_without_a_record_stay(folder, run):
    (folder / "locks" / "1.input.lock").touch()
    kill(run)
    RunLock(folder).remove_dead()
    assert names(folder) == {"1.input.lock"}


def test_a_later_lock_of_the_same_name_stays(folder, run):
    kill(run)
    later = folder / "locks" / "later"
    later.write_text("another run's")
    later.rename(folder / "locks" / "0.input.lock")
    RunLock(folder).remove_dead()
    assert names(folder) == {"0.input.lock"}


def test_without_locks_there_is_no_record(folder, own_environment):
    RunLock(folder).record([])
    assert not list((folder / "locks").iterdir())
    assert RunLock(folder / "nowhere").remove_dead() == []
