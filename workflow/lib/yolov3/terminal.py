"""Terminal output of a stage: its log; in a workflow only results, warnings and a progress bar.

The workflow itself shows when stages start, end and fail (`yolov3.report.stage_lines`).
"""

import fcntl
import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from yolov3.log_lines import LOG_FORMAT, WATCHED, stage_line

# Log level of results, which a workflow shows on the terminal.
RESULT = 25


class TerminalHandler(logging.StreamHandler):
    """Writes log records above this process's progress bar on a terminal; `stage` is "" outside of a workflow."""

    def __init__(self, stage: str, stream: TextIO) -> None:
        super().__init__(stream)
        self.stage = stage
        self.setLevel(RESULT if stage else logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, except, in a workflow, the error that ends the stage, which the workflow shows."""
        if self.stage and getattr(record, "ends_stage", False):
            return
        try:
            line = self.format(record)
            if self.stage:
                kind = "" if record.levelno == RESULT else f"{record.levelname.lower()}: "
                line = stage_line(self.stage, kind + record.getMessage(), self.stream)
            tqdm.write(line, file=self.stream)
        except Exception:
            # A closed terminal must not end the stage.
            self.handleError(record)


def open_standard_streams() -> None:
    """Open /dev/null in place of each standard stream that was closed when this process was started.

    Otherwise the next file to be opened would get its number, and what libraries print would be written to that file.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is not None:
            continue
        null = os.open(os.devnull, os.O_RDWR)
        # Child processes get the stream, too. A library may have opened a file of that number, which it goes on to use.
        if null == number:
            os.set_inheritable(null, True)
        elif not Path(f"/proc/self/fd/{number}").exists():
            os.dup2(null, number)
        setattr(sys, name, os.fdopen(null, mode, buffering=1, encoding="utf-8"))


def start_logging(log_file: str) -> None:
    """Log to the terminal and, if `log_file` is not empty, to that file, which is overwritten.

    In a workflow, all other output of the process, including tracebacks, goes to the file as well.
    """
    logging.addLevelName(RESULT, "RESULT")
    stage, stream, handlers = "", sys.stderr, list[logging.Handler]()
    if log_file:
        path = Path(log_file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        handlers.append(logging.FileHandler(path, mode="a", encoding="utf-8"))
        if WATCHED in os.environ:
            stage = path.stem
            stream = os.fdopen(os.dup(2), "w", buffering=1, encoding=sys.stderr.encoding, errors="replace")
            with path.open("ab") as file:
                for descriptor in (1, 2):
                    os.dup2(file.fileno(), descriptor)
    handlers.append(TerminalHandler(stage, stream))
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, handlers=handlers, force=True)


def progress_bar(items: Iterable[Any] | None = None, description: str = "", **options: Any) -> tqdm:
    """Return a progress bar, which shows nothing without a terminal.

    Args:
        items: items to iterate over, or None to update the bar by hand.
        description: text before the bar; by default the name of the stage in a workflow.
        options: options of tqdm.
    """
    handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, TerminalHandler)]
    stage, stream = next(((handler.stage, handler.stream) for handler in handlers if handler.stage), ("", sys.stderr))
    options = {"disable": None, "dynamic_ncols": True, "leave": not stage, "unit": "image", **options}
    return _Bar(items, description or stage or None, file=stream, **options)


class _Bar(tqdm):
    """A bar that is drawn only while no other process draws one on the same terminal."""

    lock: int | None = None

    def display(self, *arguments: Any, **options: Any) -> Any:
        """Draw the bar if this process has or gets the lock of the terminal."""
        return self._has_terminal() and super().display(*arguments, **options)

    def close(self) -> None:
        """Close the bar and release the lock of the terminal."""
        super().close()
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None

    def _has_terminal(self) -> bool:
        try:
            if self.lock is None:
                self.lock = os.open(os.ttyname(self.fp.fileno()), os.O_RDONLY | os.O_NOCTTY)
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # In a container, the terminal may have no name.
            pass
        return True
