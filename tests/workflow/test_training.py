"""Training as a process: killed and resumed, broken, and with two workers."""

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import time

import mindspore
import numpy as np
import pytest
from conftest import ROOT, SMALL, changed, copy_of_a_run

from yolov3.config.config import complete_config
from yolov3.config.options import option_words
from yolov3.config.sources import module_digests
from yolov3.weights.checkpoint import read_checkpoint

# Averaged weights are part of what is saved, resumed and validated.
EIGHT_EPOCHS = {"max_epoch": 8, "T_max": 8, "ema_epochs": 0.5}
VALIDATED = {**EIGHT_EPOCHS, "eval_interval": 2}
EAGERLY = str(ROOT / "tests" / "workflow" / "eagerly.py")
STEP_DIGESTS = [sys.executable, str(ROOT / "tests" / "workflow" / "step_digests.py")]


def command(project, output, *, before=(), **changes):
    config = complete_config(changed(SMALL, {f"train.{key}": value for key, value in changes.items()}))
    words = option_words({"seed": 3, "device_target": "CPU", **config["network"], **config["train"], **config["eval"]})
    return [
        *(sys.executable, *before, str(ROOT / "workflow" / "scripts" / "train.py"), *shlex.split(words)),
        *("--manifest", str(project.folder / "results" / "data" / "manifest.json")),
        *("--ckpt_path", str(output), "--log_file", str(output / "train.log")),
    ]


def train(project, output, **changes):
    # The data set's folder is relative to where the workflow runs.
    return subprocess.run(
        command(project, output, **changes), cwd=project.folder, capture_output=True, text=True, check=False
    )


def curve(path):
    with path.open(newline="") as stream:
        return {int(row["iter"]): float(row["loss"]) for row in csv.DictReader(stream)}


@pytest.fixture(scope="module")
def undisturbed(finished, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed")
    done = train(finished, output, **VALIDATED)
    assert done.returncode == 0, done.stderr
    return output, done.stderr


@pytest.mark.long
def test_killed_between_two_checkpoints_and_run_again(finished, undisturbed, tmp_path):
    running = subprocess.Popen(command(finished, tmp_path, **VALIDATED), cwd=finished.folder, stderr=subprocess.DEVNULL)
    state, metrics = tmp_path / "checkpoints" / "last.ckpt", tmp_path / "checkpoints" / "metrics.csv"
    deadline = time.monotonic() + 300
    # Checkpoints come at the end of each epoch of 3 steps: wait for a step past one of them.
    while not (state.exists() and len(curve(metrics)) % 3 == 1):
        assert running.poll() is None, "training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "yolov3.ckpt").exists()

    again = train(finished, tmp_path, **VALIDATED)
    assert again.returncode == 0, again.stderr
    assert "resuming from" in again.stderr
    folder, _ = undisturbed
    resumed, whole = curve(tmp_path / "metrics.csv"), curve(folder / "metrics.csv")
    assert list(resumed) == list(whole) == list(range(24))
    for step, loss in whole.items():
        assert resumed[step] == pytest.approx(loss, rel=1e-3)
    weights, whole_weights = (read_checkpoint(path / "yolov3.ckpt").parameters for path in (tmp_path, folder))
    for name, value in whole_weights.items():
        np.testing.assert_allclose(weights[name].asnumpy(), value.asnumpy(), rtol=1e-2, atol=1e-4, err_msg=name)


def test_other_settings_start_afresh_and_the_former_state_is_kept(finished, tmp_path):
    running = subprocess.Popen(
        command(finished, tmp_path, before=[EAGERLY], **EIGHT_EPOCHS),
        cwd=finished.folder,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 300
    while not (tmp_path / "checkpoints" / "last.ckpt").exists():
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    running.kill()
    running.wait()
    again = train(finished, tmp_path, before=[EAGERLY], max_epoch=1, T_max=8)
    assert again.returncode == 0, again.stderr
    assert "max_epoch was 8, is 1" in again.stderr and "checkpoints_1" in again.stderr
    assert list(curve(tmp_path / "metrics.csv")) == [0, 1, 2]
    state = mindspore.load_checkpoint(str(tmp_path / "checkpoints_1" / "last.ckpt"))
    # What shows the training and is loaded after that does not count: an edit to it does not set the state aside.
    without = ("yolov3.evaluation", "yolov3.data.checks", "yolov3.report", "yolov3.drawing")
    tracked = module_digests(ROOT / "workflow" / "scripts" / "train.py", without)
    assert json.loads(state["identity"])["code"] == tracked


def test_a_broken_loss_stops_with_a_sentence(finished, tmp_path):
    done = train(finished, tmp_path, before=[EAGERLY], lr=10, loss_scale=1e30, max_epoch=8)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "the loss is nan" in done.stderr or "the loss is inf" in done.stderr
    assert "lower train.lr" in done.stderr
    assert not (tmp_path / "yolov3.ckpt").exists()


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """Weights after steps of one process that takes all images at once and has no step to leave out."""
    output = tmp_path_factory.mktemp("one")
    subprocess.run([*STEP_DIGESTS, str(output), "--batch_norm", "own"], check=True)
    return np.load(output / "rank_0.npz")


# The fused all-reduce of a step in one graph has faults of its own; only a step in several leaves one out.
@pytest.mark.long
@pytest.mark.parametrize("options", [[], ["--parts", "1", "--overflow_on", "1"]])
def test_two_ranks_with_synchronised_batch_norm_are_as_one_and_leave_out_a_step_together(
    one_process, tmp_path, options
):
    # Below the ports that Linux gives to outgoing connections.
    port = str(20000 + (os.getpid() + 1 + len(options)) % 12000)
    ranks = ["--group_size", "2", "--master_port", port, "--batch_norm", "sync", *options]
    subprocess.run([*STEP_DIGESTS, str(tmp_path), *ranks], check=True)
    first, second = (json.loads((tmp_path / f"rank_{rank}.json").read_text()) for rank in (0, 1))
    # The running statistics too.
    assert first == second and len(set(first)) == 3
    two = np.load(tmp_path / "rank_0.npz")
    for name in one_process.files:
        # The first step differs by 4e-7; batch normalisation over the 16 values of stride 32 amplifies it.
        np.testing.assert_allclose(two[name], one_process[name], rtol=0, atol=1e-3, err_msg=name)


@pytest.mark.long
def test_two_workers_train_and_validate_together(finished, tmp_path):
    # Below the ports that Linux gives to outgoing connections.
    port = 20000 + os.getpid() % 12000
    done = train(
        finished,
        tmp_path,
        is_distributed=1,
        group_size=2,
        per_batch_size=4,
        master_port=port,
        is_save_on_master=0,
        eval_interval=4,
        **EIGHT_EPOCHS,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert list(curve(tmp_path / "metrics.csv")) == list(range(24))
    # Both ranks keep the best network, with rank 0's statistics, because each has seen images of its own.
    first = read_checkpoint(tmp_path / "yolov3.ckpt").parameters
    second = read_checkpoint(tmp_path / "rank_1" / "yolov3.ckpt").parameters
    for name, value in first.items():
        assert np.array_equal(value.asnumpy(), second[name].asnumpy()), name
    # Each evaluated its share of the images; together as one process does, to the last digit.
    summary = json.loads((tmp_path / "train.json").read_text())
    best = next(entry for entry in summary["validation"] if entry["epoch"] == summary["best_epoch"])
    metrics = eval_coco(finished, tmp_path / "yolov3.ckpt", tmp_path / "evaluated")
    assert (metrics["AP"], metrics["AP50"]) == (best["AP"], best["AP50"])
    assert metrics["AP"] > 0


def eval_coco(project, checkpoint, output):
    """The metrics that the evaluation stage writes for a checkpoint."""
    words = option_words({"device_target": "CPU", "seed": 3, **complete_config(SMALL)["eval"]})
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "workflow" / "scripts" / "eval_coco.py"), *shlex.split(words)),
            *("--manifest", str(project.folder / "results" / "data" / "manifest.json")),
            *("--pretrained", str(checkpoint), "--output_dir", str(output)),
        ],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((output / "metrics.json").read_text())


def test_the_best_network_of_the_validations_is_the_result(finished, undisturbed, tmp_path):
    folder, log = undisturbed
    summary = json.loads((folder / "train.json").read_text())
    validations = summary["validation"]
    assert [validation["epoch"] for validation in validations] == [2, 4, 6, 8]
    # The first of the best, and its checkpoint has the accuracy that the evaluation stage finds.
    best = max(validations, key=lambda validation: validation["AP"])
    assert summary["best_epoch"] == best["epoch"]
    metrics = eval_coco(finished, folder / "yolov3.ckpt", tmp_path)
    assert (metrics["AP"], metrics["AP50"]) == (best["AP"], best["AP50"])
    assert metrics["AP"] > 0
    for validation in validations:
        said = f"epoch[{validation['epoch'] - 1}], validation AP:{validation['AP']:.4f}, AP50:{validation['AP50']:.4f}"
        assert said in log


@pytest.mark.long
def test_a_training_with_operators_that_are_built_learns_the_same(finished, tmp_path):
    project = copy_of_a_run(finished, tmp_path)
    metrics = project.folder / "results" / "train" / "metrics.csv"
    before = curve(metrics)
    project.write_config(changed(SMALL, {"train.cpu_kernels": "onednn"}))
    project.snakemake("eval_coco")
    after = curve(metrics)
    assert after[0] == pytest.approx(before[0], rel=1e-5)
    # Rounding differs, so that trainings drift apart.
    assert after == pytest.approx(before, rel=0.05)
    assert after != before
