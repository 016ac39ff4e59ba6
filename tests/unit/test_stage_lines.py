"""What the terminal shows of a running workflow, from the records that Snakemake 9.27 logs."""

import io
import logging
import os

import pytest
from snakemake.logging import LoggerManager
from snakemake.settings.types import OutputSettings

from yolov3.log_lines import WATCHED
from yolov3.report.stage_lines import show_stage_lines
from yolov3.report.summary import summary_text

LOG = "2026-01-01 00:00:00,000 {} {}\n"
FAILED = (
    "RuleException:\nCalledProcessError in file \"train.smk\", line 1:\nCommand 'set -e;\npython train.py' {}.",
    "error",
)


class Workflow:
    """Snakemake's logger with our lines; `lines` is what the terminal has shown, without the clock."""

    def __init__(self):
        self.logger = logging.getLogger("a snakemake")
        self.logger.propagate = False
        self.manager = LoggerManager(self.logger, OutputSettings(nocolor=True))
        self.stream = io.StringIO()
        self.logger.handlers[0].stream = self.stream
        show_stage_lines(self.logger)

    def log(self, message, event=None, level=logging.INFO, **extra):
        self.logger.log(level, message, extra={"event": event, **extra} if event else extra)

    def start(self, number, stage, log):
        self.log(f"Rule: {stage}", "job_info", jobid=number, rule_name=stage, log=[str(log)])

    def fail(self, number, stage, exit_text):
        message, event = FAILED
        self.log(message.format(exit_text), event, logging.ERROR, exception="RuleException")
        details = dict.fromkeys(("input", "output", "log", "conda_env", "shellcmd", "rule_msg"))
        self.log(f"Error in rule {stage}", "job_error", logging.ERROR, jobid=number, rule_name=stage, aux={}, **details)

    def end(self, is_failed=False):
        if is_failed:
            self.log("Exiting because a job execution failed. Look below for error messages", level=logging.ERROR)
            self.log("WorkflowError:\nAt least one job did not complete successfully.", "error", logging.ERROR)
        self.manager.stop()

    @property
    def lines(self):
        return [line.split(" ", 1)[-1] if line[2:3] == ":" else line for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def workflow(monkeypatch):
    monkeypatch.setenv(WATCHED, "")
    return Workflow()


def test_a_line_when_a_stage_starts_and_ends_and_no_chatter(workflow, tmp_path):
    assert os.environ[WATCHED] == "1"
    workflow.log("Building DAG of jobs...")
    workflow.log("Workflow has started!", "workflow_started")
    workflow.log("Job stats: ...", "run_info", stats={"train": 1, "total": 1})
    workflow.log("Select jobs to execute...")
    workflow.start(3, "train", tmp_path / "train.log")
    workflow.log("Finished jobid: 3", "job_finished", job_id=3)
    workflow.log("a message of a plugin that is not known here")
    workflow.log("1 of 1 steps (100%) done", "progress", done=1, total=1)
    workflow.end()
    assert workflow.lines == [
        "workflow: stages to run: 1",
        "train: started",
        "train: finished in 0.0 s (1 of 1)",
        "a message of a plugin that is not known here",
    ]


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            LOG.format("ERROR", "first") + LOG.format("ERROR", "the loss is nan: lower lr") + "noise\n",
            "the loss is nan",
        ),
        ("Traceback (most recent call last):\n  File\nKeyError: 'lr'\n", "KeyError: 'lr'"),
        (LOG.format("INFO", "epoch 1"), "ended by SIGKILL without a message"),
        (None, "ended by SIGKILL without a message"),
    ],
)
def test_the_sentence_of_the_failure_is_the_last_line(workflow, tmp_path, log, reason):
    workflow.start(3, "train", tmp_path / "train.log")
    if log:
        (tmp_path / "train.log").write_text(log)
    workflow.start(4, "export", tmp_path / "export.log")
    workflow.fail(3, "train", "died with <Signals.SIGKILL: 9>")
    workflow.log("Finished jobid: 4", "job_finished", job_id=4)
    workflow.end(is_failed=True)
    told = workflow.lines[2]
    assert told.startswith(f"train: failed after 0.0 s: {reason}") and told.endswith(f"(log: {tmp_path}/train.log)")
    # Once when it happened, and once more below what came after it.
    assert workflow.lines[3:] == ["export: finished in 0.0 s (1 of 0)", told]


def test_errors_of_the_workflow_are_shown_as_snakemake_does(workflow):
    workflow.log("WorkflowError:\nthis host is not ready:\n- cmake is missing", "error", logging.ERROR)
    workflow.end()
    assert workflow.lines == ["WorkflowError:", "this host is not ready:", "- cmake is missing"]


def test_a_job_that_a_cluster_ended_is_shown_with_all_that_snakemake_says(workflow, tmp_path):
    workflow.start(3, "train", tmp_path / "train.log")
    details = dict.fromkeys(("input", "output", "log", "conda_env", "shellcmd"))
    aux = {"external_jobid": "77"}
    message = "Error in rule train"
    workflow.log(message, "job_error", logging.ERROR, jobid=3, rule_name="train", rule_msg="ended", aux=aux, **details)
    workflow.end(is_failed=True)
    assert "    external_jobid: 77" in workflow.lines
    assert workflow.lines[-1].startswith("train: failed after 0.0 s: ended without a message: read the lines above")


def test_an_interrupt_says_how_to_go_on(workflow):
    workflow.log("Terminating processes on user request, this might take some time.")
    workflow.end(is_failed=True)
    assert workflow.lines == ["workflow: interrupted: run the same command again to continue"]


def test_a_logger_plugin_of_the_user_stays(monkeypatch):
    monkeypatch.delenv(WATCHED, raising=False)
    logger = logging.getLogger("another snakemake")
    logger.addHandler(handler := logging.StreamHandler())
    show_stage_lines(logger)
    assert logger.handlers == [handler] and WATCHED not in os.environ


def test_the_summary(tmp_path):
    for number, folder in enumerate(("eval_coco", "infer_310", "quant_infer_310")):
        (tmp_path / folder).mkdir()
        metrics = f'{{"AP": 0.{number}25, "AP50": 0.5, "images_per_second": 12.34}}'
        (tmp_path / folder / "metrics.json").write_text(metrics)
    (tmp_path / "benchmarks").mkdir()
    for number in range(9):
        (tmp_path / "benchmarks" / f"stage_{number}.tsv").write_text(f"s\th:m:s\n{60 * number}.0\t0:00:00\n")
    lines = summary_text(tmp_path, [*(f"stage_{number}" for number in range(9)), "not_run"]).splitlines()
    assert lines[1].split() == ["MindSpore", "0.0250", "0.5000", "12.3"]
    assert lines[2].split()[:3] == ["native", "float", "0.1250"]
    assert lines[3].split()[:3] == ["native", "int8", "0.2250"]
    assert " ".join(lines[4:-1]).split() == [
        "time",
        *" ".join(f"stage_{n} {n} min 00 s," if n else "stage_0 0.0 s," for n in range(9)).rstrip(",").split(),
    ]
    assert all(len(line) <= 80 and line.split()[-1] != "min" for line in lines[4:-1])
    assert lines[-1].split() == ["report", f"{tmp_path}/report/report.html"]
