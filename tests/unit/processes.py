"""Find the processes of a test, and wait for them."""

import os
import signal
import subprocess
import time

import psutil

MARK = "PROCESS_TEST"
# The tool, its child in the same session, one in another session, and one whose parent has ended.
FORKING = """
import os, subprocess, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
subprocess.Popen(sleep)
subprocess.Popen(sleep, start_new_session=True)
subprocess.run([sys.executable, "-c", f"import subprocess; subprocess.Popen({sleep!r})"])
print("started", flush=True)
time.sleep(600)
"""


def processes_with(mark):
    """Return the running processes, other than this one, whose environment has a mark."""
    marked = []
    for process in psutil.process_iter():
        try:
            is_other = process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
            if is_other and process.environ().get(MARK) == mark:
                marked.append(process)
        except psutil.Error:
            continue
    return marked


def wait_until(holds):
    """Wait until a condition holds."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def assert_stage_ends_its_tool(command, name, number, mark):
    """Run a stage whose tool `name` is FORKING, send the stage a signal, and see all end."""
    environment = {**os.environ, MARK: str(mark)}
    with subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # nohup and background jobs ignore signals, and so would what they start.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    ) as stage:
        assert any(f"{name}: started" in line for line in stage.stderr)
        # The stage, its tool, and what that has started.
        assert len(processes_with(str(mark))) == 5
        stage.send_signal(number)
        assert "interrupted" in stage.stderr.read()
    assert stage.returncode == 130
    wait_until(lambda: processes_with(str(mark)) == [])
