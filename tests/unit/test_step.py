"""The update of one step: loss scale, weight decay groups, and the initial weights."""

import dataclasses

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn
from schema_settings import published
from shallow_network import ShallowNetwork

from yolov3.network.grid import prediction_grid
from yolov3.network.settings import NetworkSettings
from yolov3.training.loss import LossSettings, YoloLoss
from yolov3.training.optimizer import OptimizerSettings, new_optimizer, parameter_groups
from yolov3.training.step import ForwardLoss, TrainStep, freeze_backbone, set_objectness_prior, set_training
from yolov3.training.targets import assign_targets

ANCHORS = ((4, 4), (6, 6), (8, 8), (12, 12), (16, 16), (20, 20), (28, 28), (36, 36), (48, 48))
SETTINGS = NetworkSettings((8, 16, 16, 16, 16), (1, 1, 1, 1, 1), ANCHORS, ("a", "b"))
SIZE = (64, 64)


def network(mode=mindspore.PYNATIVE_MODE, of=ShallowNetwork):
    """Computed eagerly unless a mode is given: compiling a step takes much longer than a few steps."""
    mindspore.set_context(mode=mode)
    mindspore.set_seed(4)
    return of(SETTINGS)


def batch():
    rng = np.random.default_rng(0)
    targets = [
        assign_targets(np.array([[8, 8, 24, 30], [30, 20, 60, 60]], np.float32), np.array([0, 1]), SIZE, ANCHORS, 4)
        for _ in range(2)
    ]
    stacked = [Tensor(np.stack([getattr(target, name) for target in targets])) for name in vars(targets[0])]
    images = Tensor(rng.integers(0, 256, (2, *SIZE, 3), dtype=np.uint8))
    return images, Tensor(np.array(prediction_grid(SIZE, ANCHORS))), *stacked


def published_loss():
    return YoloLoss(2, published(LossSettings))


def trained(steps=1, rate=0.01, mode=mindspore.PYNATIVE_MODE, **changes):
    net = network(mode)
    settings = published(OptimizerSettings, **{"weight_decay": 0.0, "loss_scale": 1.0, **changes})
    optimizer = new_optimizer(net, np.full(10, rate, np.float32), settings)
    forward = ForwardLoss(net, published_loss(), settings.loss_scale)
    step = TrainStep(forward, optimizer, 1, settings.gradient_clip)
    step.set_train(True)
    losses = [step(*batch()).asnumpy().sum() for _ in range(steps)]
    return net, losses


def weights_of(net):
    return {parameter.name: parameter.asnumpy() for parameter in net.trainable_params()}


class Recorder(nn.Cell):
    """In place of network and loss: gives back what the network was fed, as all four parts."""

    def __init__(self, normalisation=None):
        super().__init__()
        self.settings = dataclasses.replace(SETTINGS, normalisation=normalisation) if normalisation else None

    def construct(self, images, *unused):
        return images if self.settings else (images, images, images, images)


@pytest.mark.parametrize(("normalisation", "mean", "std"), [("unit", 0, 1), ("imagenet", (0.485, 0.456, 0.406), None)])
def test_the_network_is_fed_what_its_settings_say(normalisation, mean, std):
    std = std or (0.229, 0.224, 0.225)
    images = np.random.default_rng(2).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    _, parts = ForwardLoss(Recorder(normalisation), Recorder(), 1.0)(Tensor(images), Tensor([0.0]))
    expected = ((images / 255 - np.array(mean)) / np.array(std)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(parts[0].asnumpy(), expected, atol=1e-5)


def test_the_loss_is_multiplied_by_the_loss_scale():
    forward = [ForwardLoss(network(), published_loss(), scale) for scale in (1.0, 1024.0)]
    plain, scaled = [one(*batch())[0].asnumpy() for one in forward]
    np.testing.assert_allclose(scaled, 1024 * plain, rtol=1e-5)


def test_the_static_loss_scale_changes_nothing_in_float32():
    plain, scaled = weights_of(trained()[0]), weights_of(trained(loss_scale=1024.0)[0])
    for name, value in plain.items():
        np.testing.assert_allclose(scaled[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_momentum_carries_the_last_step_on(momentum):
    # At this rate the weights hardly move, so both gradients are equal: moves of g, then g + momentum * g.
    start = weights_of(network())["branch_8.head.weight"]
    one, two = (
        weights_of(trained(steps, rate=1e-6, momentum=momentum)[0])["branch_8.head.weight"] - start for steps in (1, 2)
    )
    assert np.linalg.norm(two) / np.linalg.norm(one) == pytest.approx(2 + momentum, rel=0.02)


def test_the_momentum_can_be_set_between_the_steps_of_a_compiled_training():
    net = network(mindspore.GRAPH_MODE)
    start = weights_of(net)["branch_8.head.weight"].copy()
    optimizer = new_optimizer(net, np.full(10, 1e-6, np.float32), published(OptimizerSettings, weight_decay=0.0))
    step = TrainStep(ForwardLoss(net, published_loss(), 1024.0), optimizer, 1)
    set_training(step)
    lengths = []
    for momentum in (0.9, 0.5, 0.0):
        optimizer.momentum.set_data(Tensor(momentum, mindspore.float32))
        step(*batch())
        lengths.append(np.linalg.norm(weights_of(net)["branch_8.head.weight"] - start))
    # Equal gradients g: moves of g, then g + 0.5 g, then g.
    np.testing.assert_allclose(lengths[1:] / lengths[0], [2.5, 3.5], rtol=0.02)


def test_nesterov_looks_ahead():
    # Equal gradients g: the first step moves by g + momentum * g instead of g.
    start = weights_of(network())["branch_8.head.weight"]
    plain, ahead = (
        weights_of(trained(rate=1e-6, nesterov=nesterov)[0])["branch_8.head.weight"] - start for nesterov in (0, 1)
    )
    assert np.linalg.norm(ahead) / np.linalg.norm(plain) == pytest.approx(1.9, rel=0.01)


@pytest.mark.parametrize("mode", [mindspore.PYNATIVE_MODE, mindspore.GRAPH_MODE])
def test_the_norm_of_the_gradients_is_limited(mode):
    rate, start = 1e-4, weights_of(network())
    moves = []
    for clip in (0.0, 2.0, 1e9):
        moved = weights_of(trained(rate=rate, mode=mode, gradient_clip=clip)[0])
        moves.append(np.concatenate([(moved[name] - value).ravel() for name, value in start.items()]) / rate)
    assert np.linalg.norm(moves[0]) > 10
    assert np.linalg.norm(moves[1]) == pytest.approx(2, rel=0.01)
    np.testing.assert_allclose(moves[1] / 2, moves[0] / np.linalg.norm(moves[0]), atol=1e-3)
    np.testing.assert_allclose(moves[2], moves[0], atol=1e-2)


@pytest.mark.parametrize(
    ("changes", "factor", "head_factor"),
    [
        ({}, 1, 1),
        ({"optimizer": "adamw"}, 1, 1),
        ({"optimizer": "adamw", "head_lr_factor": 5}, 1, 5),
        ({"nesterov": 1}, 1.9, 1),
    ],
    ids=str,
)
def test_weight_decay_pulls_convolution_weights_only(changes, factor, head_factor):
    rate, decay = 1e-3, 0.5
    plain, decayed = (
        weights_of(trained(rate=rate, **changes)[0]),
        weights_of(trained(rate=rate, weight_decay=decay, **changes)[0]),
    )
    start = weights_of(network())
    for name, value in plain.items():
        share = factor * (head_factor if ".head." in name else 1)
        pulled = share * rate * decay * start[name] if name.endswith(("conv.weight", "head.weight")) else 0
        np.testing.assert_allclose(value - decayed[name], pulled, rtol=0.02, atol=2e-7)


def test_the_decayed_parameters_are_the_convolution_weights():
    settings = published(OptimizerSettings, weight_decay=0.25)
    *groups, order = parameter_groups(network(), np.ones(3, np.float32), settings, None)
    dimensions = {group["weight_decay"]: {len(one.shape) for one in group["params"]} for group in groups}
    assert dimensions == {0.25: {4}, 0.0: {1}}
    assert sum(len(group["params"]) for group in groups) == len(order["order_params"])
    assert not any("lr" in group for group in groups)


@pytest.mark.parametrize("optimizer", ["momentum", "adamw"])
def test_biases_and_heads_have_rates_of_their_own(optimizer):
    """The first step of each optimizer is proportional to the rate: that of adamw is the rate times the sign."""
    rate, bias_rate, factor, start = 1e-4, 3e-4, 5.0, weights_of(network())

    def moves(head_lr_factor, bias_rates):
        net = network()
        settings = published(OptimizerSettings, optimizer=optimizer, weight_decay=0.0, head_lr_factor=head_lr_factor)
        step = TrainStep(
            ForwardLoss(net, published_loss(), settings.loss_scale),
            new_optimizer(net, np.full(10, rate, np.float32), settings, bias_rates),
            1,
        )
        step.set_train(True)
        step(*batch())
        return {name: np.linalg.norm(value - start[name]) for name, value in weights_of(net).items()}

    plain, changed = moves(1.0, None), moves(factor, np.full(10, bias_rate, np.float32))
    ratios = {name: changed[name] / value for name, value in plain.items() if value > 1e-5}
    assert {name.rsplit(".")[-1] for name in ratios} == {"weight", "bias", "beta", "gamma"}
    for name, ratio in ratios.items():
        expected = (3 if name.endswith((".bias", ".beta")) else 1) * (factor if ".head." in name else 1)
        assert ratio == pytest.approx(expected, rel=0.05), name


def test_a_frozen_backbone_stays_as_it_is():
    net = network()
    freeze_backbone(net)
    before = {parameter.name: parameter.asnumpy().copy() for parameter in net.get_parameters()}
    optimizer = new_optimizer(net, np.full(10, 0.01, np.float32), published(OptimizerSettings))
    step = TrainStep(ForwardLoss(net, published_loss(), 1.0), optimizer, 1)
    set_training(step)
    step(*batch())
    changed = {
        parameter.name for parameter in net.get_parameters() if (parameter.asnumpy() != before[parameter.name]).any()
    }
    others = {name for name in before if not name.startswith("backbone.")}
    assert not any(name.startswith("backbone.") for name in changed)
    assert {name for name in others if name.endswith(("weight", "moving_mean"))} <= changed


@pytest.mark.parametrize(("optimizer", "rate"), [("momentum", 0.001), ("adamw", 0.01)])
def test_the_loss_falls(optimizer, rate):
    _, losses = trained(8, rate, mindspore.GRAPH_MODE, optimizer=optimizer)
    assert losses[-1] < 0.8 * losses[0]


def test_initial_weights_are_uniform_within_the_bound():
    for parameter in network().trainable_params():
        if len(parameter.shape) == 4 and parameter.size > 500:
            bound = 1 / np.sqrt(np.prod(parameter.shape[1:]))
            values = parameter.asnumpy()
            assert np.abs(values).max() <= bound
            assert np.abs(values).max() > 0.98 * bound
            assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)


def test_the_objectness_prior_is_the_first_confidence():
    net = network()
    set_objectness_prior(net, 0.01)
    bias = net.branch_16.head.bias.asnumpy().reshape(3, 7)
    np.testing.assert_allclose(1 / (1 + np.exp(-bias[:, 4])), 0.01, rtol=1e-5)
    assert np.abs(bias[:, :4]).max() < 1
