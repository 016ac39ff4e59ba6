"""After a kill, the same command goes on, without `--unlock`; while a run lives, another is refused."""

import os
import signal
import subprocess
import time

import pytest
from conftest import SMALL, Project, changed, copy_of_the_project


@pytest.fixture
def project(tmp_path):
    project = Project(copy_of_the_project_in(tmp_path / "project"), tmp_path / "run")
    project.folder.mkdir()
    project.write_config(changed(SMALL, {"preflight": False}))
    return project


def copy_of_the_project_in(target):
    target.mkdir()
    return copy_of_the_project(target)


def start_until_locked(project):
    """Start a run, stop it when it has recorded its lock, and return it."""
    process = subprocess.Popen(
        project.command("download"),
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not list(project.folder.glob(".snakemake/locks/*.owner.json")):
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGSTOP)
    return process


def test_a_killed_run_is_continued_by_the_same_command(project):
    first = start_until_locked(project)
    try:
        second = project.snakemake("download", check=False)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout + second.stderr
    assert list(project.folder.glob(".snakemake/locks/*.lock"))

    third = project.snakemake("download")
    assert f"The lock of a run that was killed (process {first.pid}) is removed." in third.stdout + third.stderr
    assert (project.folder / "results" / "data" / "manifest.json").is_file()
    assert not (project.folder / ".snakemake" / "locks").exists()
