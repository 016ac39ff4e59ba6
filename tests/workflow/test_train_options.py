"""The options of the training stage, by name on its command line: what each changes in what a training does."""

import csv
import dataclasses
import importlib.util
import json
import re
import shlex

import mindspore
import numpy as np
import pytest
from conftest import ROOT, SMALL, changed
from shallow_network import ShallowNetwork

from yolov3.config.config import complete_config
from yolov3.config.options import option_words
from yolov3.data import options
from yolov3.distributed.worker import Rank
from yolov3.errors import InputError
from yolov3.training import accumulation, batches, loop, step
from yolov3.weights.checkpoint import read_checkpoint

STEPS_PER_EPOCH = 3


def stage():
    spec = importlib.util.spec_from_file_location("train_stage", ROOT / "workflow" / "scripts" / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def train(finished, tmp_path, monkeypatch):
    """Trains in this process with options changed; returns the folder of the results."""
    monkeypatch.chdir(finished.folder)
    # Compiling takes most of a training of a few steps, and layers most of the rest: both are as they are in the run
    # that is finished.
    monkeypatch.setattr(mindspore, "GRAPH_MODE", mindspore.PYNATIVE_MODE)
    monkeypatch.setattr("yolov3.network.yolo.YOLOv3", ShallowNetwork)

    def run(name="out", code=0, more=(), **changes):
        output = tmp_path / name
        config = complete_config(changed(SMALL, {"train.max_epoch": 1}))
        config["train"].update(changes)
        words = shlex.split(option_words({"seed": 3, **config["network"], **config["train"]}))
        manifest = str(finished.folder / "results" / "data" / "manifest.json")
        assert stage().main([*words, *more, "--manifest", manifest, "--ckpt_path", str(output)]) == code
        return output

    return run


@pytest.fixture
def momenta(monkeypatch):
    """Has trainings compute nothing; returns the momentum at each of their steps."""
    found = []

    class QuickStep(step.TrainStep):
        def __call__(self, *batch):
            found.append(float(self.optimizer.momentum.asnumpy()) if hasattr(self.optimizer, "momentum") else None)
            return mindspore.Tensor(np.ones(len(self.forward.loss.term_names), np.float32))

    monkeypatch.setattr("yolov3.training.loop.TrainStep", QuickStep)
    return found


@pytest.fixture(scope="module")
def plain_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("plain")


@pytest.fixture
def plain(plain_folder, train):
    """The results without a change, trained once."""
    output = plain_folder / "out"
    return output if output.exists() else train(output)


@pytest.fixture
def validated(monkeypatch):
    """Has the validations of a training find the APs of the returned list, which they take from it."""
    aps = []

    class Validator:
        def __init__(self, *arguments):
            pass

        def __call__(self, network):
            return {"AP": aps.pop(0), "AP50": 0.6}

    monkeypatch.setattr("yolov3.evaluation.validation.Validator", Validator)
    return aps


def rows(folder):
    with (folder / "metrics.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def column(folder, name):
    return [float(row[name]) for row in rows(folder)]


def weights(folder):
    parameters = read_checkpoint(folder / "yolov3.ckpt").parameters
    return {name: value.asnumpy() for name, value in parameters.items() if "moving" not in name}


def test_the_schedule_is_what_is_trained_with(train, momenta):
    exponential = train(lr_scheduler="exponential", lr=0.01, lr_epochs="1,2", lr_gamma=0.5, max_epoch=3)
    assert column(exponential, "lr") == pytest.approx([0.01] * 3 + [0.005] * 3 + [0.0025] * 3)
    cosine = train("cosine", lr=0.01, eta_min=0.002, T_max=2, max_epoch=3, warmup_epochs=1)
    # Warm-up in thirds; then eta_min + (lr - eta_min)(1 + cos(pi epoch / 2)) / 2: 0.006 at epoch 1, eta_min at 2.
    expected = [0.01 / 3, 0.02 / 3, 0.01] + [0.006] * 3 + [0.002] * 3
    assert column(cosine, "lr") == pytest.approx(expected, rel=1e-5)


def test_the_momentum_of_each_step(train, momenta):
    train(optimizer="momentum", momentum=0.9, warmup_momentum=0.3, warmup_epochs=1, max_epoch=2)
    assert momenta == pytest.approx([0.5, 0.7, 0.9, 0.9, 0.9, 0.9])


def test_biases_and_heads_learn_at_their_own_rates(train):
    # A step of momentum is the rate times the gradient: the first of one step is compared.
    options = {"optimizer": "momentum", "per_batch_size": 24, "lr": 1e-5, "warmup_epochs": 1}
    start, plain = weights(train("start", **{**options, "lr": 1e-12})), weights(train("plain", **options))
    changed = weights(train("changed", **options, warmup_bias_lr=1e-5, head_lr_factor=3))
    for name, factor in (("branch_8.head.weight", 3), ("backbone.root.conv.weight", 1)):
        np.testing.assert_allclose(
            changed[name] - start[name], factor * (plain[name] - start[name]), rtol=0.02, atol=1e-7
        )


def test_the_input_that_the_checkpoint_carries_decides_nothing(train, monkeypatch):
    identities = []

    def no_state(path, train_step, identity):
        identities.append(identity)
        return None, ""

    monkeypatch.setattr(loop, "load_state", no_state)
    for changes, expected in (({}, (64, False)), ({"testing_shape": 96, "letterbox": True}, (96, True))):
        settings = read_checkpoint(train(str(expected), **changes) / "yolov3.ckpt").settings
        assert (settings.testing_shape, settings.letterbox) == expected
    assert identities[0] == identities[1]


def test_label_smoothing_changes_the_class_loss_only(plain, train):
    smoothed = train("smoothed", label_smooth=1, label_smooth_factor=0.2)
    before, after = rows(plain)[0], rows(smoothed)[0]
    parts = ("loss_xy", "loss_wh", "loss_confidence")
    assert [before[part] for part in parts] == [after[part] for part in parts]
    assert abs(float(before["loss_class"]) - float(after["loss_class"])) > 1e-3


def test_iou_losses_have_one_term_for_the_boxes(plain, train):
    first = rows(train(box_loss="ciou"))[0]
    assert "loss_xy" not in first and "loss_wh" not in first
    assert first["loss_confidence"] == rows(plain)[0]["loss_confidence"]
    terms = sum(float(value) for name, value in first.items() if name.startswith("loss_"))
    assert float(first["loss"]) == pytest.approx(terms, rel=1e-5)


def test_further_anchors_and_the_iou_as_target(plain, train):
    changes = {"assignment_iou": 0.2, "objectness_target": "iou", "class_weight": 0}
    before, after = rows(plain)[0], rows(train(**changes))[0]
    assert float(after["loss_xy"]) > 1.2 * float(before["loss_xy"])
    assert float(after["loss_class"]) == 0 < float(before["loss_class"])
    assert before["loss_confidence"] != after["loss_confidence"]


def test_averaged_weights_are_the_result_of_the_same_training(plain, train):
    averaged, start = train(ema_epochs=1), weights(train("start", lr=1e-9))
    assert column(averaged, "loss") == column(plain, "loss")
    name = "branch_8.head.weight"
    moves = [np.abs(weights(folder)[name] - start[name]).max() for folder in (averaged, plain)]
    assert 0.1 * moves[1] < moves[0] < 0.95 * moves[1]


def test_clipped_gradients_move_the_weights_less(plain, train):
    start, clipped = weights(train("start", lr=1e-9)), weights(train("clipped", gradient_clip=0.01))
    name = "branch_8.head.weight"
    moves = [np.abs(moved[name] - start[name]).max() for moved in (weights(plain), clipped)]
    assert moves[1] < 0.2 * moves[0]


def test_loss_scale_is_divided_out(plain, train):
    scaled = weights(train("scaled", loss_scale=1024))
    for name, value in weights(plain).items():
        np.testing.assert_allclose(scaled[name], value, rtol=1e-3, atol=1e-5, err_msg=name)


def test_accumulation_trains_the_same_images_in_smaller_batches(plain, train):
    accumulated = train("accumulated", per_batch_size=4, accumulation=2)
    before, after = column(plain, "loss"), column(accumulated, "loss")
    assert len(after) == STEPS_PER_EPOCH
    # BatchNorm has the statistics of 4 images instead of 8.
    assert after[0] == pytest.approx(before[0], rel=0.02) and after[0] != before[0]
    assert column(accumulated, "lr") == column(plain, "lr")


def test_steps_that_overflow_are_left_out_and_counted(train, capfd):
    options = {"amp_level": "O2", "loss_scaler": "dynamic"}
    skipping, start = train(loss_scale=2**40, **options), train("start", lr=1e-9)
    assert json.loads((skipping / "train.json").read_text())["skipped_steps"] == STEPS_PER_EPOCH
    for name, value in weights(start).items():
        np.testing.assert_allclose(weights(skipping)[name], value, atol=1e-6, err_msg=name)
    said = capfd.readouterr().err
    for number in range(STEPS_PER_EPOCH):
        assert f"iteration {number} is left out" in said and f"loss scale is now {2.0 ** (39 - number):g}" in said


def test_sizes_change_every_resize_rate_batches_and_compile_once_each(train, monkeypatch):
    monkeypatch.setattr(mindspore, "GRAPH_MODE", mindspore.context.GRAPH_MODE)
    monkeypatch.setattr("yolov3.training.sampler.MULTI_SCALE_SIZES", (64, 96))
    sizes, steps = [], []
    build = batches.BatchSource.build

    def seen(self, step, epoch, indices, repeats, input_size):
        sizes.append(input_size[0])
        return build(self, step, epoch, indices, repeats, input_size)

    class KeptStep(step.TrainStep):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            steps.append(self)

    # It builds batches too.
    monkeypatch.setattr("yolov3.drawing.batches.preview_jpeg", lambda *arguments: b"")
    monkeypatch.setattr(batches.BatchSource, "build", seen)
    monkeypatch.setattr("yolov3.training.loop.TrainStep", KeptStep)
    train(training_shape="", resize_rate=2, max_epoch=4, per_batch_size=8)
    assert len(sizes) == 4 * STEPS_PER_EPOCH
    assert set(sizes) == {64, 96}
    assert sizes[::2] == sizes[1::2]
    assert len(steps[0].compile_cache) == 2


@pytest.mark.parametrize(("interval", "saved"), [(2, [2, 4, 6]), (0, [3, 6])])
def test_a_state_is_saved_every_ckpt_interval_iterations(train, momenta, monkeypatch, interval, saved):
    found = []
    monkeypatch.setattr(
        "yolov3.training.loop.save_state", lambda path, step, print_, progress: found.append(progress.step)
    )
    monkeypatch.setattr("yolov3.training.loop.write_results", lambda *arguments: None)
    train(ckpt_interval=interval, max_epoch=2)
    assert found == saved


def test_log_interval_counts_the_lines(train, momenta):
    assert [int(row["iter"]) for row in rows(train(log_interval=4, max_epoch=3))] == [0, 4, 8]


def test_ranks_train_on_their_shares_of_the_images(train, monkeypatch):
    shares = []

    def trained(network, source, *arguments):
        sampler = source.new_sampler()
        shares.append({index for step in range(sampler.steps_per_epoch) for index in sampler.batch(step)[1].tolist()})

    monkeypatch.setenv("MS_ROLE", "MS_WORKER")
    monkeypatch.setattr("yolov3.training.loop.train", trained)
    for number in (0, 1):
        monkeypatch.setattr("yolov3.distributed.worker.start_runtime", lambda *_, number=number: Rank(number, 2))
        # The original's option is taken, but the launcher knows better.
        train(is_distributed=1, group_size=2, per_batch_size=4, more=("--rank", "0"))
    assert not shares[0] & shares[1]
    assert len(shares[0]) == len(shares[1]) == 12


@pytest.mark.parametrize(
    ("number", "is_save_on_master", "saved"),
    [(0, 1, ["yolov3.ckpt"]), (1, 1, []), (0, 0, ["yolov3.ckpt"]), (1, 0, ["rank_1/yolov3.ckpt"])],
)
def test_which_of_two_ranks_saves(train, monkeypatch, number, is_save_on_master, saved):
    monkeypatch.setenv("MS_ROLE", "MS_WORKER")
    monkeypatch.setattr("yolov3.distributed.worker.start_runtime", lambda *_: Rank(number, 2))
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    # What needs the other rank.
    monkeypatch.setattr("yolov3.training.loop.sum_over_ranks", lambda value: 2 * value)
    monkeypatch.setattr("mindspore.nn.DistributedGradReducer", lambda *_, **__: lambda gradients: gradients)
    options = {"is_distributed": 1, "group_size": 2, "per_batch_size": 4}
    output = train(is_save_on_master=is_save_on_master, **options)
    assert [path.relative_to(output).as_posix() for path in output.rglob("*.ckpt")] == saved


def test_a_group_that_is_not_distributed_is_refused(train, capfd):
    train(group_size=2, code=1)
    assert "train.group_size is 2 but train.is_distributed is 0: set it to 1" in capfd.readouterr().err


def test_the_profile_opens_and_tells_of_convolutions(train):
    folder = train(need_profiler=1, max_epoch=5)
    (trace,) = (folder / "profile").rglob("trace_view.json")
    events = json.loads(trace.read_text(encoding="utf-8"))
    convolutions = [event for event in events if event.get("ph") == "X" and "Conv2D" in event["name"]]
    assert len(convolutions) > 100
    assert all(float(event["dur"]) >= 0 for event in convolutions)
    (table,) = (folder / "profile").rglob("cpu_op_type_info_*.csv")
    with table.open(newline="") as stream:
        assert any(row["op_type"] == "Conv2D" for row in csv.DictReader(stream))


def test_a_run_too_short_for_a_profile_says_so(train, capfd):
    train(need_profiler=1)
    assert "no profile was written: a run needs at least 4 steps" in capfd.readouterr().err


def test_the_best_weights_are_the_result(plain, train, validated):
    validated += [0.5, 0.1]
    best, last = train(eval_interval=1, max_epoch=2), train("last", max_epoch=2)
    assert not validated
    name = "backbone.root.conv.weight"
    np.testing.assert_array_equal(weights(best)[name], weights(plain)[name])
    assert not np.array_equal(weights(last)[name], weights(plain)[name])


def test_validations_leave_the_training_as_it_is(train):
    validated, plainly = (rows(train(f"every {epochs}", max_epoch=2, eval_interval=epochs)) for epochs in (1, 0))
    assert [row["loss"] for row in validated] == [row["loss"] for row in plainly]


def page_of(folder):
    """The live page's state, its numbers by label, and its text."""
    text = (folder / "training.html").read_text(encoding="utf-8")
    return re.search(r'<p id="state">(.*?)</p>', text)[1], dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text)), text


def test_the_page_shows_the_training_while_it_runs_and_how_it_ended(plain, train, tmp_path, monkeypatch):
    seen, accuracies = [], [0.125, 0.25]

    class Validator:
        def __init__(self, *arguments):
            pass

        def __call__(self, network):
            seen.append(page_of(tmp_path / "out"))
            return {"AP": accuracies.pop(0), "AP50": 0.5}

    monkeypatch.setattr("yolov3.evaluation.validation.Validator", Validator)
    monkeypatch.setattr("yolov3.report.live.REFRESH_SECONDS", 0)
    for name in ("WRITING_SHARE", "DRAWING_SHARE"):
        monkeypatch.setattr(f"yolov3.report.live.{name}", 1e9)
    output = train(eval_interval=1, max_epoch=2, tensorboard=1)
    logged = rows(output)
    # Each validation comes before the page of the epoch's last step.
    for (state, tiles, text), last in zip(seen, (1, 4), strict=True):
        assert state == "running" and 'http-equiv="refresh"' in text
        assert tiles["step"] == f"{last + 1} of 6"
        assert tiles["loss"] == f"{float(logged[last]['loss']):.4g}"
        assert text.count('class="chart"') == (4 if last < 3 else 5) and "data:image/jpeg" in text
    assert seen[1][1]["AP, epoch 1"] == "0.125"
    state, tiles, text = page_of(output)
    assert state == "finished" and 'http-equiv="refresh"' not in text
    assert tiles["step"] == "6 of 6" and tiles["AP, epoch 2"] == "0.250"
    assert tiles["loss"] == f"{float(logged[5]['loss']):.4g}"
    # Looked at, the training is the same.
    assert column(output, "loss")[:3] == column(plain, "loss")
    assert len(list((output / "tensorboard").iterdir())) == 1


def test_the_page_of_a_failed_training_says_why(train, tmp_path, monkeypatch):
    def failing(path, *arguments):
        raise InputError(f"{path.name} is odd")

    monkeypatch.setattr("yolov3.training.loop.save_state", failing)
    train(code=1)
    state, _, text = page_of(tmp_path / "out")
    assert state == "failed: last.ckpt is odd" and 'http-equiv="refresh"' not in text


def test_a_page_that_cannot_be_written_does_not_end_the_training(plain, train, tmp_path, capfd):
    (tmp_path / "out" / "training.html").mkdir(parents=True)
    output = train()
    assert capfd.readouterr().err.count("is not up to date") == 1
    assert column(output, "loss") == column(plain, "loss")
    for name, value in weights(plain).items():
        np.testing.assert_array_equal(weights(output)[name], value, err_msg=name)


def test_a_training_without_a_better_network_ends_early(train, momenta, validated, capfd):
    validated += [0.3, 0.5, 0.4, 0.45, 0.9]
    output = train(eval_interval=1, max_epoch=5, patience=2)
    assert validated == [0.9]
    summary = json.loads((output / "train.json").read_text())
    assert (summary["steps"], summary["best_epoch"]) == (4 * STEPS_PER_EPOCH, 2)
    assert "ends at epoch 4: since epoch 2 no validation had a better AP than 0.5000" in capfd.readouterr().err


def test_patience_without_boxes_to_find_is_refused(train, monkeypatch, capfd):
    read = options.manifest_of

    def without_boxes(arguments):
        manifest = read(arguments)
        val = dataclasses.replace(manifest.split("val"), boxes=0)
        return dataclasses.replace(manifest, splits={**manifest.splits, "val": val})

    monkeypatch.setattr("yolov3.data.options.manifest_of", without_boxes)
    train(eval_interval=1, patience=1, code=1)
    assert "train.patience is 1 but the validation images have no boxes" in capfd.readouterr().err


def test_the_last_epoch_is_validated_too(train, momenta, validated):
    validated += [0.3, 0.5]
    output = train(eval_interval=2, max_epoch=3)
    summary = json.loads((output / "train.json").read_text())
    assert [entry["epoch"] for entry in summary["validation"]] == [2, 3]
    assert summary["best_epoch"] == 3


def test_an_infinite_loss_of_a_step_that_is_left_out_does_not_end_the_training(train, monkeypatch):
    class QuickStep(accumulation.AccumulatedStep):
        losses = iter([1.0, float("inf"), 1.0, 1.0, 1.0, 1.0])

        def __call__(self, *batch):
            loss = next(self.losses)
            if not np.isfinite(loss):
                self.guard.skipped.set_data(mindspore.Tensor([1], mindspore.int32))
                self.guard.scale.set_data(mindspore.Tensor(2.0))
            return mindspore.Tensor(np.full(self.no_terms.shape, loss, np.float32))

    monkeypatch.setattr("yolov3.training.loop.AccumulatedStep", QuickStep)
    output = train(max_epoch=2, log_interval=1, amp_level="O2", loss_scaler="dynamic")
    assert column(output, "iter") == [0, *range(2, 2 * STEPS_PER_EPOCH)]
    assert json.loads((output / "train.json").read_text())["skipped_steps"] == 1


def test_an_early_end_counts_its_steps_with_any_interval_of_states(train, momenta, validated):
    validated += [0.3, 0.2]
    output = train(eval_interval=1, max_epoch=5, patience=1, ckpt_interval=5 * STEPS_PER_EPOCH)
    assert json.loads((output / "train.json").read_text())["steps"] == 2 * STEPS_PER_EPOCH


def test_a_frozen_backbone_is_that_of_the_pretrained_weights(plain, train):
    frozen = train(pretrained_backbone=str(plain / "yolov3.ckpt"), freeze_backbone=1)
    before, after = (read_checkpoint(folder / "yolov3.ckpt").parameters for folder in (plain, frozen))
    for name, value in after.items():
        is_equal = np.array_equal(value.asnumpy(), before[name].asnumpy())
        assert is_equal == name.startswith("backbone."), name


def test_pretrained_backbone_is_what_the_training_starts_from(plain, train):
    started = weights(train(pretrained_backbone=str(plain / "yolov3.ckpt"), lr=1e-8))
    for name, value in weights(plain).items():
        is_close = np.allclose(started[name], value, atol=1e-5)
        assert is_close or not name.startswith("backbone."), name
    # The rest is as initialised.
    assert not np.allclose(started["branch_8.head.weight"], weights(plain)["branch_8.head.weight"], atol=1e-5)


def test_resume_yolov3_starts_from_the_weights(plain, train):
    again = train(resume_yolov3=str(plain / "yolov3.ckpt"), lr=1e-8)
    for name, value in weights(plain).items():
        np.testing.assert_allclose(weights(again)[name], value, atol=1e-5, err_msg=name)
