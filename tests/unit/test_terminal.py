"""What the terminal shows of a stage, by hand and in a workflow."""

import contextlib
import os
import pty
import subprocess
import sys
import termios

from processes import wait_until

from yolov3.log_lines import WATCHED

STAGE = """
import argparse, logging, os, sys
from yolov3.config.stage import run_stage
from yolov3.errors import InputError
from yolov3.terminal import RESULT

def run(arguments):
    print("a library's print", flush=True)
    os.write(2, b"[WARNING] ME(1:2) a library's message\\n")
    logging.info("epoch 1")
    logging.log(RESULT, "AP 0.5")
    logging.warning("2 images left out")
    if sys.argv[2:]:
        raise eval(sys.argv[2])

sys.exit(run_stage(run, argparse.Namespace(log_file=sys.argv[1])))
"""
BAR = """
import sys
from yolov3.terminal import progress_bar

with progress_bar(description=sys.argv[1], total=100, mininterval=0) as bar:
    for line in sys.stdin:
        bar.update()
        print(line, end="", flush=True)
"""


def run_stage(log, *words, watched=True):
    environment = {name: value for name, value in os.environ.items() if name != WATCHED}
    done = subprocess.run(
        [sys.executable, "-c", STAGE, log, *words],
        env={**environment, **({WATCHED: "1"} if watched else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.splitlines()


def test_a_workflow_shows_results_and_warnings_and_the_log_has_all(tmp_path):
    log = tmp_path / "eval_coco.log"
    code, output, shown = run_stage(log, "InputError('no images: give some')")
    assert code == 1 and output == ""
    assert [line.split(" ", 1)[1] for line in shown] == ["eval_coco: AP 0.5", "eval_coco: warning: 2 images left out"]
    text = log.read_text()
    for line in ("a library's print", "ME(1:2) a library's message", "INFO epoch 1", "RESULT AP 0.5"):
        assert f"{line}\n" in text
    assert text.endswith(" ERROR no images: give some\n")


def test_a_traceback_goes_to_the_log_of_a_workflow(tmp_path):
    log = tmp_path / "train.log"
    code, _, shown = run_stage(log, "KeyError('lr')")
    assert code == 1 and len(shown) == 2
    assert log.read_text().endswith("KeyError: 'lr'\n")


def test_by_hand_the_terminal_shows_the_whole_log(tmp_path):
    log = tmp_path / "train.log"
    code, output, shown = run_stage(log, "InputError('no images: give some')", watched=False)
    assert code == 1 and output == "a library's print\n"
    assert [line for line in shown if "a library's" not in line] == log.read_text().splitlines()
    assert len(log.read_text().splitlines()) == 4


def test_one_bar_at_a_time_is_drawn_on_a_terminal():
    terminal, theirs = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    os.set_blocking(terminal, False)

    def bar(name):
        pipe = subprocess.PIPE
        return subprocess.Popen([sys.executable, "-c", BAR, name], stdin=pipe, stdout=pipe, stderr=theirs, text=True)

    drawn = bytearray()

    def update(process):
        process.stdin.write("update\n")
        process.stdin.flush()
        assert process.stdout.readline() == "update\n"
        # What a process has written may arrive a moment later.
        with contextlib.suppress(BlockingIOError):
            drawn.extend(os.read(terminal, 10_000))
        return drawn

    with bar("first") as first:
        wait_until(lambda: b"first: " in update(first))
        with bar("second") as second:
            update(second)
            wait_until(lambda: b"first:   5%" in update(first))
            assert b"second" not in drawn
            first.stdin.close()
            first.wait()
            wait_until(lambda: b"second: " in update(second))
            second.stdin.close()
    os.close(theirs)
    os.close(terminal)


def test_without_a_terminal_there_is_no_bar():
    done = subprocess.run([sys.executable, "-c", BAR, "name"], input="update\n", capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
