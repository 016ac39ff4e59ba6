"""Run a command-line tool with its output in the log, and say in one sentence why it failed."""

import logging
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from yolov3.errors import InputError
from yolov3.process import end_processes, sigterm_as_interrupt


def find_tool(program: str, what_to_do: str) -> str:
    """Return the path of a program, given by path or by a name on PATH.

    Raises:
        InputError: there is none, or it may not be run.
    """
    found = shutil.which(program)
    if found is None:
        raise InputError(f"program {program or '(none given)'} is missing or not executable: {what_to_do}")
    return os.path.abspath(found)  # noqa: PTH100 - resolving links would change what some tools take for their home


class ToolError(InputError):
    """A tool ended with an error; `lines` is what it printed, without empty lines."""

    def __init__(self, message: str, lines: list[str]) -> None:
        super().__init__(message)
        self.lines = lines


def run_tool(
    command: Sequence[str],
    what_to_do: str = "",
    more_environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Run a command to its end; its output goes to the log. What ends this process ends the tool, too.

    Args:
        command: program and arguments.
        what_to_do: advice for the error; empty for a tool whose own last line gives it.
        more_environment: variables to set.
        on_line: called with each line that it prints.

    Returns:
        The lines that it printed, without empty ones.

    Raises:
        InputError: it cannot start.
        ToolError: it was killed or failed; the sentence has the signal's name or its last line.
    """
    name = Path(command[0]).name
    lines: list[str] = []
    with sigterm_as_interrupt():
        try:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(more_environment or {})},
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise InputError(f"program {command[0]} cannot be started ({error.strerror}): {what_to_do}") from None
        with process:
            assert process.stdout is not None
            try:
                for line in filter(None, map(str.strip, process.stdout)):
                    lines.append(line)
                    logging.info("%s: %s", name, line)
                    on_line(line)
            except BaseException:
                end_processes(process)
                raise
    if process.returncode < 0:
        killer = signal.Signals(-process.returncode).name
        raise ToolError(f"{name} was killed by {killer}: look for lack of memory, then run again", lines)
    if process.returncode:
        reason = lines[-1] if lines else f"exit code {process.returncode} without a word"
        raise ToolError(f"{name} failed ({reason}): {what_to_do}" if what_to_do else f"{name} failed: {reason}", lines)
    return lines
