"""How a stage ends."""

import argparse
import errno
import os
import subprocess
import sys

import pytest

from yolov3.config.stage import run_stage


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ((), "a result"),
        (("target",), "target"),
        # As shutil.copyfile fails.
        (("source", None, "target"), "target"),
    ],
)
def test_a_full_disk_names_what_cannot_be_written(capfd, files, named):
    def write(arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *files)

    assert run_stage(write, argparse.Namespace(log_file="")) == 1
    assert f"ERROR {named} cannot be written (No space left on device)" in capfd.readouterr().err


STAGE = """
import argparse, os, subprocess, sys
from yolov3.config.stage import run_stage

def run(arguments):
    with open(sys.argv[1], "w") as result:
        for stream in (1, 2):
            os.write(stream, b"printed by a library")
        subprocess.run(["sh", "-c", "echo printed by a program; echo and its error >&2"], check=True)
        result.write("result")

sys.exit(run_stage(run, argparse.Namespace(log_file=sys.argv[2])))
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("is_watched", [False, True])
def test_closed_standard_streams_do_not_reach_the_results(tmp_path, closed, is_watched):
    words = [sys.executable, "-c", STAGE, str(tmp_path / "result"), str(tmp_path / "log.txt")]
    environment = {**os.environ, **({"YOLOV3_WATCHED": "1"} if is_watched else {})}
    done = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *words], env=environment, check=False)
    assert done.returncode == 0
    assert (tmp_path / "result").read_text() == "result"
