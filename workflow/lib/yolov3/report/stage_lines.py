"""What the terminal shows of a running workflow: a line when a stage starts, ends or fails, and the failure last."""

import logging
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolov3.log_lines import ERROR_LINE, WATCHED, duration_text, stage_line

# Snakemake's name of the handler that writes to the terminal.
SNAKEMAKE_HANDLER = "DefaultStreamHandler"
# Snakemake's lines without an event that say nothing about this workflow.
CHATTER = (
    *("Assuming unrestricted", "Building DAG", "Using shell", "Conda environments", "Singularity containers"),
    *("Group jobs: inactive", "Select jobs", "Shutting down", "Complete log", "Elapsed time"),
)
# Events that stage lines stand for, or that are of interest in the log file only.
SILENT_EVENTS = (
    "workflow_started",
    "resources_info",
    "job_started",
    "progress",
    "shellcmd",
    "group_info",
    "group_error",
)
# What Snakemake says of the command of a stage that fails: the name of a signal, or "exit status 1".
COMMAND_EXIT = re.compile(
    r"CalledProcessError.* (?:died with <Signals\.|returned non-zero )(SIG\w+|exit status \d+)", re.DOTALL
)
# What Snakemake says of a failure that a stage line has told already.
FAILURE_ECHOES = ("Exiting because a job execution failed", "WorkflowError:\nAt least one job did not complete")


def show_stage_lines(logger: logging.Logger) -> None:
    """Show lines of stages in place of those that Snakemake's logger writes on the terminal, if no plugin does."""
    for handler in list(logger.handlers):
        if isinstance(handler, logging.StreamHandler) and handler.name == SNAKEMAKE_HANDLER:
            logger.removeHandler(handler)
            logger.addHandler(StageLines(handler))
            os.environ[WATCHED] = "1"


@dataclass(frozen=True)
class _Job:
    """A started stage: its name, its start by the monotonic clock, and its log."""

    stage: str
    started: float
    log: Path | None

    @property
    def time(self) -> str:
        return duration_text(time.monotonic() - self.started)


class StageLines(logging.Handler):
    """Writes the lines by Snakemake's handler, which itself writes all that there is no stage line for."""

    def __init__(self, handler: logging.StreamHandler) -> None:
        super().__init__()
        self.handler = handler
        self.filters = handler.filters
        self.jobs: dict[int, _Job] = {}
        self.stages = self.finished = 0
        self.failures: list[tuple[str, str]] = []
        self.last_line = ("", "")
        self.last_exit = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Write what a record of Snakemake is worth."""
        try:
            self._write_record(record)
        except Exception:
            # Raised into Snakemake's threads, it would let the workflow hang.
            self.handleError(record)

    # Snakemake's records have attributes of their own.
    def _write_record(self, record: Any) -> None:
        event, message = str(getattr(record, "event", None) or ""), str(record.msg)
        is_echo = bool(self.failures) and message.startswith(FAILURE_ECHOES)
        if event == "run_info":
            self.stages = record.stats["total"]
            self._write("workflow", f"stages to run: {self.stages}")
        elif event == "job_info":
            log = Path(record.log[0]) if record.log else None
            self.jobs[record.jobid] = _Job(record.rule_name, time.monotonic(), log)
            self._write(record.rule_name, "started")
        elif event == "job_finished" and record.job_id in self.jobs:
            self.finished += 1
            job = self.jobs[record.job_id]
            self._write(job.stage, f"finished in {job.time} ({self.finished} of {self.stages})")
        elif event == "job_error" and record.jobid in self.jobs:
            self._write_failure(self.jobs[record.jobid], record)
        elif message.startswith("Terminating processes on user request"):
            self.failures.append(("workflow", "interrupted: run the same command again to continue"))
        elif exit_of_command := COMMAND_EXIT.search(message):
            self.last_exit = exit_of_command[1]
        elif not (event in SILENT_EVENTS or message.startswith(CHATTER) or is_echo):
            self._write_as_snakemake(record)

    def close(self) -> None:
        """Let the failures be the last lines."""
        if self.failures and self.last_line != self.failures[-1]:
            for failure in self.failures:
                self._write(*failure)
        self.failures.clear()
        super().close()

    def _write_failure(self, job: _Job, record: logging.LogRecord) -> None:
        reason = _reason(job)
        if reason is None and self.last_exit:
            reason = f"ended by {self.last_exit} without a message, perhaps for lack of memory: free some, run again"
        elif reason is None:
            # A cluster has its own ways to fail, and logs.
            self._write_as_snakemake(record)
            reason = "ended without a message: read the lines above"
        self.last_exit = ""
        self.failures.append((job.stage, f"failed after {job.time}: {reason} (log: {job.log or 'none'})"))
        self._write(*self.failures[-1])

    def _write(self, stage: str, text: str) -> None:
        self.last_line = (stage, text)
        self.handler.stream.write(stage_line(stage, text, self.handler.stream) + "\n")
        self.handler.flush()

    def _write_as_snakemake(self, record: logging.LogRecord) -> None:
        self.last_line = ("", "")
        self.handler.handle(record)


def _reason(job: _Job) -> str | None:
    """Return the sentence that a failed stage logged, or the last line of its traceback; None if there is neither."""
    if job.log is None or not job.log.is_file():
        return None
    text = job.log.read_text(encoding="utf-8", errors="replace")
    if errors := ERROR_LINE.findall(text):
        return errors[-1][1]
    return text.rstrip().rpartition("\n")[2] if "Traceback (most recent call last)" in text else None
