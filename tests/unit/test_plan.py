import pytest

from yolov3.config import sources
from yolov3.config.config import complete_config
from yolov3.config.identity import stage_command, tracked_contents, tracked_values
from yolov3.config.plan import Plan
from yolov3.config.schema import section_schema

DISTRIBUTED = {"is_distributed": 1, "group_size": 16}


@pytest.mark.parametrize(
    "where",
    [
        {"hosts": "192.0.2.1,192.0.2.2", "host_launcher": "ssh"},
        {"host_launcher": "slurm"},
        {"master_port": 9000, "cluster_time_out": 60},
    ],
)
def test_where_a_distributed_training_runs_decides_nothing(where):
    here, there = (
        complete_config({"device_target": "Ascend", "train": {**DISTRIBUTED, **more}}) for more in ({}, where)
    )
    assert Plan.of(here) == Plan.of(there) and Plan.of(here).has_rank_table
    assert tracked_values("train", here["train"]) == tracked_values("train", there["train"]) == DISTRIBUTED


@pytest.mark.parametrize("target", ["CPU", "GPU"])
def test_only_ascend_reads_a_rank_table(target):
    assert not Plan.of(complete_config({"device_target": target, "train": DISTRIBUTED})).has_rank_table


def test_a_file_counts_by_content_and_a_url_by_name(tmp_path):
    first, second = tmp_path / "a.ckpt", tmp_path / "b.ckpt"
    first.write_text("same")
    second.write_text("same")
    digests = [tracked_contents("weights", {"pretrained": str(path)}) for path in (first, second)]
    assert digests[0] == digests[1]
    second.write_text("other")
    assert tracked_contents("weights", {"pretrained": str(second)}) != digests[0]
    assert tracked_contents("weights", {"pretrained": "https://example.org/a"}) == {
        "pretrained": "https://example.org/a"
    }
    assert tracked_contents("weights", {"pretrained": ""}) == {}


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "a program.py"
    path.write_text("import sys\n")
    return path


def test_a_command_has_all_options_and_is_identified_by_some(program):
    """Values at their defaults are left out; of the others, those count that can change the result."""
    train = complete_config({"train": {"lr": 0.5, "log_interval": 7, "resume_yolov3": "", "max_epoch": 320}})["train"]
    command = stage_command(program, (), [("train", train), ("", {"seed": 4})], "--more 1")
    assert command == f"python '{program}' --more 1 --lr 0.5 --log_interval 7 --seed 4"
    plain = stage_command(program, (), [("train", {**train, "log_interval": 100}), ("", {"seed": 4})])
    assert repr(command) == repr(plain) and command != plain
    for other in ([("train", {**train, "lr": 0.4}), ("", {"seed": 4})], [("train", train), ("", {"seed": 5})]):
        assert repr(stage_command(program, (), other)) != repr(command)
    program.write_text("import os\n")
    sources._digest_and_imports.cache_clear()
    assert repr(stage_command(program, (), [("train", train), ("", {"seed": 4})])) != repr(command)


def test_a_changed_default_counts_and_the_former_value_still_reaches_the_program(program, monkeypatch):
    before = stage_command(program, (), [("train", {"lr": 0.001})])
    monkeypatch.setitem(section_schema("train")["lr"], "default", 0.5)
    explicit, left_out = (stage_command(program, (), [("train", {"lr": lr})]) for lr in (0.001, 0.5))
    assert explicit.endswith("--lr 0.001") and repr(explicit) == repr(before)
    assert "--lr" not in left_out and repr(left_out) != repr(before)
