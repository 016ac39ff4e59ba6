"""How a stage ends."""

import argparse
import errno
import os

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
