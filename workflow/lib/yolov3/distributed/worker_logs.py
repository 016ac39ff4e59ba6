"""Log files of the ranks that msrun starts: following them, and finding out why a run failed."""

import codecs
import logging
import os
import re
import signal
from pathlib import Path
from typing import TextIO

from yolov3.log_lines import ERROR_LINE, LOG_LINE, WATCHED
from yolov3.terminal import RESULT, progress_bar

# Messages of msrun about a failed worker, and of MindSpore's scheduler and workers about each other.
FAILED_WORKER = re.compile(r"Worker process \d+ exit with exception\. Error code: (-?\d+)")
LOST_WORKER = re.compile(r"The node: (\d+) is timed out")
LOST_SCHEDULER = re.compile(r"Failed to (?:send heartbeat message to meta server node|reconnect to the meta server)")
RESUME_ADVICE = "run the same command again to resume from the last checkpoint"
# MindSpore's own messages, which may start within another line, are shown in the log file only.
MINDSPORE_MESSAGE = re.compile(r"\[(?:DEBUG|INFO|WARNING)\] [A-Z_]+\(\d+[,:].*?[\r\n]", re.DOTALL)
WORTH_WATCHING = {"RESULT": RESULT, "WARNING": logging.WARNING}
# Matches after each line end.
LINE_END = re.compile(r"(?<=[\r\n])")


def describe_failure(log_dir: Path) -> str:
    """Return why a distributed run failed: the earliest error logged by a rank, else what MindSpore's logs show."""
    texts = {path: _read(path) for path in worker_logs(log_dir)}
    errors = [(*match.groups(), path) for path, text in texts.items() for match in ERROR_LINE.finditer(text)]
    if errors:
        _, message, path = min(errors, key=lambda error: error[0])
        return f"{message} (log {path})"
    if lost := LOST_WORKER.search(_read(log_dir / "scheduler.log")):
        return f"rank {lost[1]} no longer responds, check its host and network: {RESUME_ADVICE} (logs in {log_dir})"
    if any(LOST_SCHEDULER.search(text) for text in texts.values()):
        return f"the first host no longer responds, check it and its network: {RESUME_ADVICE} (logs in {log_dir})"
    failed = FAILED_WORKER.search(_read(log_dir / "msrun.log"))
    if failed and int(failed[1]) < 0:
        name = signal.Signals(-int(failed[1])).name
        return f"a rank was killed by {name}, check the free memory: {RESUME_ADVICE} (logs in {log_dir})"
    for path, text in texts.items():
        if "Traceback (most recent call last)" in text:
            last_line = text.rstrip().rpartition("\n")[2].strip()
            return f"rank {_worker_number(path)} failed unexpectedly ({last_line[:200]}): see its log {path}"
    return f"a rank ended without a message: see the logs in {log_dir}"


def worker_failed(log_dir: Path) -> bool:
    """Return whether msrun has logged that a worker of this host failed."""
    return FAILED_WORKER.search(_read(log_dir / "msrun.log")) is not None


def _read(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""


def worker_logs(log_dir: Path) -> list[Path]:
    """Return the ranks' log files, in order of rank."""
    return sorted((path for path in log_dir.glob("worker_*.log") if _worker_number(path) >= 0), key=_worker_number)


def _worker_number(path: Path) -> int:
    number = path.stem.removeprefix("worker_")
    return int(number) if number.isdecimal() else -1


class LogFollower:
    """Copies the growing log of the first rank of this host to a stream, without MindSpore's own messages.

    In a workflow the stream is the stage's log; the terminal shows results, warnings and, in one place, the last line.
    """

    def __init__(self, log_dir: Path, stream: TextIO) -> None:
        self.log_dir = log_dir
        self.stream = stream
        self.path: Path | None = None
        self.position = 0
        self.decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self.pending = ""
        self.bar = progress_bar(bar_format="{desc} [{elapsed}]", disable=None if WATCHED in os.environ else True)

    def show_new(self, is_end: bool = False) -> None:
        """Show new complete lines, and at the end also an incomplete last line."""
        if self.path is None:
            # msrun starts ranks in order, so the first log is that of the lowest rank.
            self.path = next(iter(worker_logs(self.log_dir)), None)
            if self.path is None:
                return
        with self.path.open("rb") as log:
            log.seek(self.position)
            content = log.read()
        self.position += len(content)
        # Progress bars end their lines with carriage returns.
        *complete, self.pending = LINE_END.split(self.pending + self.decoder.decode(content, final=is_end))
        for line in [*complete, *([self.pending] if is_end else [])]:
            self._show(MINDSPORE_MESSAGE.sub("", line))
        self.stream.flush()
        if is_end:
            self.bar.close()

    def _show(self, line: str) -> None:
        record = LOG_LINE.match(line)
        if record and record[1] in WORTH_WATCHING and WATCHED in os.environ:
            logging.log(WORTH_WATCHING[record[1]], "%s", record[2])
            return
        self.stream.write(line)
        if record:
            self.bar.set_description_str(record[2])
