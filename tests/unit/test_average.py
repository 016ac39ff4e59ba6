"""The moving average of weights."""

import math

import mindspore
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn, ops

from yolov3.training.average import WeightAverage, averaged_weights


class Weights(nn.Cell):
    """A trained weight and a statistic that is not trained, both moved from outside."""

    def __init__(self):
        super().__init__()
        self.weight = Parameter(Tensor([1.0, -2.0], mindspore.float32), name="weight")
        self.moving_mean = Parameter(Tensor([5.0], mindspore.float32), name="moving_mean", requires_grad=False)


class Move(nn.Cell):
    """Moves the weights."""

    def __init__(self, network):
        super().__init__(auto_prefix=False)
        self.network = network

    def construct(self, change):
        moved = ops.depend(change, ops.assign_add(self.network.weight, change))
        return ops.depend(moved, ops.assign(self.network.moving_mean, change[:1]))


def moved(mode, time_constant, changes):
    mindspore.set_context(mode=mode)
    network = Weights()
    average = WeightAverage(network, time_constant)
    step = Move(network)
    for updates, change in enumerate(changes, 1):
        step(Tensor(change.astype(np.float32))).asnumpy()
        average.follow(updates)
    return network, average


@pytest.mark.parametrize("mode", [mindspore.PYNATIVE_MODE, mindspore.GRAPH_MODE])
@pytest.mark.parametrize(("time_constant", "interval"), [(2, 1), (49, 1), (50, 2), (260, 10), (9999, 10)])
def test_equals_the_formula(mode, time_constant, interval):
    changes = np.random.default_rng(0).normal(size=(23, 2))
    network, average = moved(mode, time_constant, changes)
    assert average.interval == interval
    weight = np.array([1.0, -2.0])
    means = [weight.copy(), np.array([5.0])]
    for updates, change in enumerate(changes, 1):
        weight = weight + change
        if updates % interval == 0 or updates < interval:
            decay = math.exp(-1 / time_constant) * (1 - math.exp(-updates / (0.2 * time_constant)))
            for mean, value in zip(means, (weight, change[:1]), strict=True):
                mean += (1 - decay ** (interval if updates >= interval else 1)) * (value - mean)
    for parameter, mean in zip(average.averages, means, strict=True):
        np.testing.assert_allclose(parameter.asnumpy(), mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(network.weight.asnumpy(), weight, rtol=1e-5)


def test_a_training_shorter_than_the_interval_moves_the_average():
    network, average = moved(mindspore.PYNATIVE_MODE, 9999, np.ones((3, 2)))
    np.testing.assert_allclose(average.averages[0].asnumpy(), network.weight.asnumpy(), rtol=0.01)


def test_an_interval_changes_little():
    """Of weights that all move alike, it is that of an average that moves after every update."""
    average = moved(mindspore.PYNATIVE_MODE, 100, np.full((400, 2), 0.01))[1].averages[0].asnumpy()
    mean, weight = 1.0, 1.0
    for updates in range(1, 401):
        weight += 0.01
        mean += (1 - math.exp(-1 / 100) * (1 - math.exp(-updates / 20))) * (weight - mean)
    np.testing.assert_allclose(average, [mean, mean - 3], atol=0.03)


def test_the_network_has_the_average_for_a_while():
    network, average = moved(mindspore.PYNATIVE_MODE, 5, np.ones((3, 2)))
    trained, mean = network.weight.asnumpy(), average.averages[0].asnumpy()
    assert not np.allclose(trained, mean)
    with pytest.raises(KeyError), averaged_weights(average):
        np.testing.assert_array_equal(network.weight.asnumpy(), mean)
        np.testing.assert_array_equal(network.moving_mean.asnumpy(), average.averages[1].asnumpy())
        raise KeyError
    np.testing.assert_array_equal(network.weight.asnumpy(), trained)
    np.testing.assert_array_equal(average.averages[0].asnumpy(), mean)
    with averaged_weights(None):
        np.testing.assert_array_equal(network.weight.asnumpy(), trained)


def test_a_state_holds_the_average():
    _, average = moved(mindspore.PYNATIVE_MODE, 5, np.ones((1, 2)))
    names = {parameter.name for parameter in average.get_parameters()}
    assert names >= {"average.weight", "average.moving_mean"}
