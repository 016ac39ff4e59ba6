"""Running command-line tools, with their output in the log and failures as `InputError`."""

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
    """Return the absolute path of a program, given by path or by a name on PATH.

    Raises:
        InputError: it is missing or not executable.
    """
    path = shutil.which(program)
    if path is None:
        raise InputError(f"program {program or '(none given)'} is missing or not executable: {what_to_do}")
    return os.path.abspath(path)  # noqa: PTH100 - some tools derive their home from the unresolved link


class ToolError(InputError):
    """A tool failed; `lines` is its output without empty lines."""

    def __init__(self, message: str, lines: list[str]) -> None:
        super().__init__(message)
        self.lines = lines


def run_tool(
    command: Sequence[str],
    what_to_do: str = "",
    more_environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Run a command, write its output to the log, and end it if this process is interrupted or terminated.

    Args:
        command: program and arguments.
        what_to_do: advice for the error message; empty if the last line of the tool's output gives it.
        more_environment: additional environment variables.
        on_line: called with each line of the output.

    Returns:
        The lines of the output, without empty ones.

    Raises:
        InputError: the program cannot be started.
        ToolError: it was killed or failed; the message has the name of the signal or the last line of the output.
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
        raise ToolError(f"{name} was killed by {killer}: check the free memory and run again", lines)
    if process.returncode:
        reason = lines[-1] if lines else f"exit code {process.returncode} without output"
        raise ToolError(f"{name} failed ({reason}): {what_to_do}" if what_to_do else f"{name} failed: {reason}", lines)
    return lines
