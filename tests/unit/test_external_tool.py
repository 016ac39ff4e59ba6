"""Tools that stages run: what they print goes to the log, and they end with the stage, whatever they have started."""

import logging
import os
import signal
import subprocess
import sys

import pytest
from exported_samples import write_program
from processes import FORKING, MARK, assert_stage_ends_its_tool, processes_with

from yolov3.errors import InputError
from yolov3.external_tool import run_tool
from yolov3.process import end_processes

STAGE = """
import argparse, sys
from pathlib import Path
from yolov3.config.stage import run_stage
from yolov3.native.build import BuildSettings, build
from yolov3.native.converters import compile_om, convert
from yolov3.native.run import run_program
folder = Path(sys.argv[1])
stages = {
    "native310": lambda: run_program([str(folder / "native310")]),
    "converter": lambda: convert(str(folder / "converter"), folder / "model.onnx", folder / "model.ms"),
    "atc": lambda: compile_om(folder / "model.air", folder / "model.om", "Ascend310", str(folder / "atc")),
    "cmake": lambda: build(BuildSettings(folder, folder / "build", "all", "", "", 1)),
}
sys.exit(run_stage(lambda arguments: stages[sys.argv[2]](), argparse.Namespace(log_file="")))
"""


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("native310", signal.SIGTERM),
        ("converter", signal.SIGTERM),
        ("atc", signal.SIGTERM),
        ("cmake", signal.SIGTERM),
        ("atc", signal.SIGINT),
        ("atc", signal.SIGHUP),
    ],
)
def test_a_stage_that_is_told_to_end_ends_its_tool(tmp_path, monkeypatch, name, number):
    write_program(tmp_path / name, FORKING)
    for model in ("model.onnx", "model.air"):
        (tmp_path / model).touch()
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert_stage_ends_its_tool([sys.executable, "-c", STAGE, str(tmp_path), name], name, number, tmp_path)


def test_all_have_ended_on_return(tmp_path, monkeypatch):
    monkeypatch.setenv(MARK, str(tmp_path))
    program = write_program(tmp_path / "program", FORKING)
    with subprocess.Popen([program], stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout.readline() == b"started\n"
        end_processes(child)
        assert processes_with(str(tmp_path)) == []


def test_an_error_in_between_ends_the_tool(tmp_path, monkeypatch):
    monkeypatch.setenv(MARK, str(tmp_path))

    def refuse(line):
        raise InputError(f"{line}: not wanted")

    with pytest.raises(InputError, match="started: not wanted"):
        run_tool([write_program(tmp_path / "program", FORKING)], on_line=refuse)
    assert processes_with(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("print('a')\nprint('  b  ')\nprint()\nsys.exit(2)", r"^tool failed \(b\): look$"),
        ("sys.exit(3)", r"^tool failed \(exit code 3 without output\): look$"),
        ("import os\nos.kill(os.getpid(), 9)", "^tool was killed by SIGKILL"),
    ],
)
def test_what_a_failure_becomes(tmp_path, code, sentence):
    with pytest.raises(InputError, match=sentence):
        run_tool([write_program(tmp_path / "tool", code)], "look")


def test_lines_are_logged_and_returned_and_variables_set(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    program = write_program(tmp_path / "tool", "import os\nprint(os.environ['A'])\nprint('zwei', file=sys.stderr)")
    assert sorted(run_tool([program], more_environment={"A": "eins"})) == ["eins", "zwei"]
    assert sorted(caplog.messages) == ["tool: eins", "tool: zwei"]
