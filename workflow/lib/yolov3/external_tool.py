"""Run a vendor's command-line tool and say in one sentence why it failed."""

import logging
import os
import shutil
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from yolov3.errors import InputError

LOG_LINES = 30


def find_tool(program: str, what_to_do: str) -> str:
    """Return the path of a program, given by path or by a name on PATH.

    Raises:
        InputError: there is none, or it may not be run.
    """
    found = shutil.which(program)
    if found is None:
        raise InputError(f"program {program or '(none given)'} is missing or not executable: {what_to_do}")
    return os.path.abspath(found)  # noqa: PTH100 - resolving links would change what some tools take for their home


def run_tool(command: Sequence[str], what_to_do: str, more_environment: Mapping[str, str] | None = None) -> list[str]:
    """Run a command to its end; its output goes to the log.

    Args:
        command: program and arguments.
        what_to_do: advice for the error.
        more_environment: variables to set.

    Returns:
        The last lines that it printed.

    Raises:
        InputError: it cannot start or ends with an error; the sentence has its last line.
    """
    name = Path(command[0]).name
    lines: deque[str] = deque(maxlen=LOG_LINES)
    try:
        process = subprocess.Popen(
            list(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(more_environment or {})},
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise InputError(f"program {command[0]} cannot be started ({error.strerror}): {what_to_do}") from None
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip():
                lines.append(line.strip())
                logging.info("%s: %s", name, line.strip())
    if process.returncode != 0:
        last = lines[-1] if lines else f"it printed nothing and ended with code {process.returncode}"
        raise InputError(f"{name} failed ({last}): {what_to_do}")
    return list(lines)
