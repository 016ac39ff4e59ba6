"""Training in float16: close to float32, with a loss scale that gives way to overflow."""

import logging
from types import SimpleNamespace

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn
from schema_settings import published
from shallow_network import ShallowNetwork
from test_accumulation import four_images, grid
from test_step import SETTINGS, network, published_loss

from yolov3.errors import InputError
from yolov3.network.yolo import YOLOv3
from yolov3.training import accumulation
from yolov3.training.accumulation import AccumulatedStep, new_scaler
from yolov3.training.average import WeightAverage, averaged_weights
from yolov3.training.loop import _Overflows
from yolov3.training.optimizer import OptimizerSettings, new_optimizer
from yolov3.training.precision import network_to_train
from yolov3.training.state import Progress, load_state, save_state
from yolov3.training.step import ForwardLoss, TrainStep
from yolov3.training.sync_batch_norm import SyncBatchNorm

GRAPH, EAGER = mindspore.GRAPH_MODE, mindspore.PYNATIVE_MODE
# What a step that is left out changes: the position in the schedule, and what counts the steps.
COUNTERS = {"global_step", "scale_value", "counter", "skipped_updates"}


def new_step(level="O0", loss_scale=1.0, mode=EAGER, parts=0, of=ShallowNetwork):
    """A plain step, or one in several graphs."""
    net = network(mode, of)
    optimizer = new_optimizer(net, np.full(99, 0.001, np.float32), published(OptimizerSettings))
    arguments = (ForwardLoss(net, published_loss(), loss_scale, level), optimizer, 1, 2.0, WeightAverage(net, 3.0))
    step = AccumulatedStep(parts, *arguments) if parts else TrainStep(*arguments)
    return net, step.set_train(True)


def run(step):
    images, *targets = map(Tensor, four_images())
    return step(images, grid(), *targets).asnumpy()


def values_of(step, without=frozenset()):
    return {value.name: value.asnumpy().copy() for value in step.get_parameters() if value.name not in without}


def set_scale(step, scale):
    step.guard.scale.set_data(Tensor(scale, mindspore.float32))


def direction(net, start):
    moves = np.concatenate([(value.asnumpy() - start[value.name]).ravel() for value in net.trainable_params()])
    return moves / np.linalg.norm(moves)


@pytest.mark.long
def test_losses_and_updates_are_close_to_those_of_float32():
    # All layers, through which the rounding grows.
    (exact_net, exact), (mixed_net, mixed) = new_step(of=YOLOv3), new_step("O2", mode=GRAPH, of=YOLOv3)
    start = values_of(exact_net)
    for step in range(3):
        mindspore.set_context(mode=EAGER)
        expected = run(exact)
        mindspore.set_context(mode=GRAPH)
        terms = run(mixed)
        assert terms.sum() == pytest.approx(expected.sum(), rel=2e-3)
        assert np.abs(terms / expected - 1).max() > 1e-5
        if step == 0:
            # float16 rounds by up to 5e-4; batch normalisation over the 16 values of stride 32 amplifies it.
            np.testing.assert_allclose(terms, expected, rtol=1e-2)
            assert 0.9 < direction(exact_net, start) @ direction(mixed_net, start) < 0.9999


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("O0", {nn.Conv2d: "Float32", nn.BatchNorm2d: "Float32"}),
        ("O2", {nn.Conv2d: "Float16", nn.BatchNorm2d: "Float32"}),
        ("auto", {nn.Conv2d: "Float16", nn.BatchNorm2d: "Float32"}),
    ],
)
def test_convolutions_are_in_float16_but_neither_batch_norm_nor_the_loss(level, expected):
    mindspore.set_context(mode=EAGER)
    mixed = network_to_train(YOLOv3(SETTINGS), level).set_train(True)
    seen = set()
    for _, cell in mixed.cells_and_names():
        # A bias, which the heads only have, stays in float32 at level auto.
        if type(cell) in expected and not getattr(cell, "has_bias", False):
            cell.register_forward_hook(lambda cell, inputs, output: seen.add((type(cell), str(output.dtype))))
    raw_maps = mixed(Tensor(np.zeros((2, 3, 64, 64), np.float32)))
    assert seen == set(expected.items())
    assert {str(raw.dtype) for raw in raw_maps} == {"Float32"}


@pytest.mark.parametrize("level", ["O0", "O2", "auto"])
def test_synchronised_batch_norm_is_in_float32_too(level):
    net = network()
    mixed = network_to_train(net, level, sync_ranks=2)
    assert {id(value) for value in mixed.get_parameters()} == {id(value) for value in net.get_parameters()}
    layers = [cell for _, cell in mixed.cells_and_names() if hasattr(cell, "moving_mean")]
    assert {type(layer) for layer in layers} == {SyncBatchNorm}
    assert {bool(getattr(layer, "fp16", False)) for layer in layers} == {False}
    assert {bool(getattr(layer, "fp32", False)) for layer in layers} == {level == "O2"}


@pytest.mark.parametrize("level", ["O2", "auto"])
@pytest.mark.parametrize("mode", [EAGER, GRAPH])
def test_the_network_itself_stays_in_float32(level, mode):
    net = network(mode)
    names = [value.name for value in net.get_parameters()]
    mixed = network_to_train(net, level)
    assert {id(value) for value in mixed.get_parameters()} == {id(value) for value in net.get_parameters()}
    assert [value.name for value in net.get_parameters()] == names
    assert {str(value.dtype) for value in net.get_parameters()} == {"Float32"}
    images = Tensor(np.random.default_rng(1).normal(size=(1, 3, 64, 64)).astype(np.float32))
    net.set_train(True), mixed.set_train(True)
    exact = [raw.asnumpy() for raw in network(mode).set_train(True)(images)]
    for expected, plain, rounded in zip(exact, net(images), mixed(images), strict=True):
        np.testing.assert_allclose(plain.asnumpy(), expected, rtol=1e-5, atol=1e-6)
        assert np.abs(rounded.asnumpy() - expected).max() > 1e-4


def test_a_step_that_overflows_is_left_out_and_the_next_goes_on():
    net, step = new_step("O2", new_scaler(8.0), GRAPH, parts=2)
    run(step)
    assert step.guard.skipped.asnumpy() == 0
    set_scale(step, 2.0**100)
    before = values_of(step, COUNTERS)
    names = {value.name for value in net.get_parameters()}
    momenta = {f"moments.{value.name}" for value in net.trainable_params()}
    assert names | momenta | {f"average.{name}" for name in names} <= before.keys()
    assert any("moving_mean" in name for name in names)
    run(step)
    after = values_of(step, COUNTERS)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)
    assert (step.guard.skipped.asnumpy(), step.guard.scale.asnumpy()) == (1, 2.0**99)
    # The rate is that of the step.
    assert step.update.update.optimizer.global_step.asnumpy() == 2
    set_scale(step, 8.0)
    # A validation sets the parameters; graphs must not go on with the former ones.
    with averaged_weights(step.average):
        pass
    run(step)
    step.average.follow(2)
    assert step.guard.skipped.asnumpy() == 1
    after = values_of(step, COUNTERS)
    assert all(np.isfinite(value).all() for value in after.values())
    for name in ("branch_8.head.weight", "average.branch_8.head.weight", "backbone.root.batch_norm.moving_mean"):
        assert not np.array_equal(after[name], before[name]), name


def test_an_overflow_of_the_network_itself_leaves_no_trace_in_its_statistics():
    net, step = new_step("O2", new_scaler(8.0), parts=1)
    gamma = net.backbone.root.batch_norm.gamma
    gamma.set_data(Tensor(np.full(gamma.shape, 1e6, np.float32)))
    before = values_of(net)
    assert not np.isfinite(run(step)).all()
    for name, value in values_of(net).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_the_scale_is_divided_out_and_doubled_after_a_while(monkeypatch):
    monkeypatch.setattr(accumulation, "SCALE_WINDOW", 2)
    (plain, plain_step), (scaled, scaled_step) = new_step(), new_step(loss_scale=new_scaler(64.0), parts=1)
    scales = []
    for _ in range(2):
        run(plain_step), run(scaled_step)
        scales.append(float(scaled_step.guard.scale.asnumpy()))
    assert scales == [64, 128]
    expected = values_of(plain)
    for name, value in values_of(scaled).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path):
    path = tmp_path / "last.ckpt"
    progress = Progress(step=2, best_ap=-1.0, best_epoch=0, validation=[], seconds=0.0)
    _, step = new_step("O2", new_scaler(8.0), parts=1)
    set_scale(step, 2.0**100)
    run(step)
    set_scale(step, 16.0)
    run(step)
    assert (step.guard.skipped.asnumpy(), step.guard.counter.asnumpy()) == (1, 1)
    save_state(path, step, {}, progress)
    assert not any("gradient_sum" in name for name in mindspore.load_checkpoint(str(path)))
    _, resumed = new_step("O2", new_scaler(8.0), parts=1)
    assert load_state(path, resumed, {}) == (progress, "")
    assert (resumed.guard.scale.asnumpy(), resumed.guard.counter.asnumpy()) == (16, 1)
    for scale in (2.0**100, 8.0):
        for one in (step, resumed):
            set_scale(one, scale)
            run(one)
        expected = values_of(step)
        for name, value in values_of(resumed).items():
            np.testing.assert_array_equal(value, expected[name], err_msg=name)
    assert (resumed.guard.skipped.asnumpy(), resumed.guard.counter.asnumpy()) == (2, 1)


def test_what_is_left_out_is_said_until_the_scale_is_at_its_minimum(caplog):
    guard = SimpleNamespace(skipped=Tensor([0]), scale=Tensor(4.0))
    overflows = _Overflows(guard)
    with caplog.at_level(logging.WARNING):
        assert not overflows.check(0, True)
        assert not caplog.messages
        guard.skipped, guard.scale = Tensor([1]), Tensor(2.0)
        assert overflows.check(7, True)
        guard.skipped, guard.scale = Tensor([2]), Tensor(1.0)
        assert overflows.check(8, False)
    (message,) = caplog.messages
    assert "iteration 7 is left out" in message and "the loss scale is now 2" in message
    guard.skipped = Tensor([3])
    with pytest.raises(InputError, match=r"not finite at iteration 9 although the loss scale is 1, its minimum: lower"):
        overflows.check(9, True)
    assert overflows.count == 3
