import pytest

from yolov3.config.config import complete_config
from yolov3.config.identity import tracked_contents, tracked_values, untracked_values
from yolov3.config.options import option_words
from yolov3.config.plan import Plan

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
    assert untracked_values("train", there["train"]) == where


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


def test_every_value_is_passed_on_once():
    """Tracked or not, each value that differs from its default reaches the command line."""
    config = complete_config({"train": {"lr": 0.5, "log_interval": 7, "resume_yolov3": "x.ckpt", "max_epoch": 320}})
    tracked, untracked = (
        option_words(values("train", config["train"])) for values in (tracked_values, untracked_values)
    )
    assert (tracked, untracked) == ("--lr 0.5", "--log_interval 7 --resume_yolov3 x.ckpt")
