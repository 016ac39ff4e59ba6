"""Exponential moving average of a network's weights (arXiv:1803.05407 explains why an average generalises better)."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import mindspore
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

# Share of the time constant in which the decay rises, so that the average forgets the initial weights.
RAMP = 0.2
# The averages move at least this often within the time constant, and at least every MAX_INTERVAL updates.
MOVES_PER_TIME_CONSTANT = 25
MAX_INTERVAL = 10


class WeightAverage(nn.Cell):
    """Average of all parameters of a network and of the statistics of its BatchNorm layers.

    After n updates of the network, if n is a multiple of the interval k, each average moves by (1 - decay_n^k) of the
    way to its parameter, where decay_n = decay * (1 - exp(-n / (RAMP * T))), decay = exp(-1 / T). In the first k - 1
    updates it moves after each, by (1 - decay_n), so that a shorter training does not end with initial weights.

    On a CPU, moving the averages after every update would take several percent of a small network's step.

    Args:
        network: the network that is trained.
        time_constant: T, in updates.

    Attributes:
        interval: k, number of updates from one move to the next.
    """

    def __init__(self, network: nn.Cell, time_constant: float) -> None:
        super().__init__(auto_prefix=False)
        self.values = ParameterTuple(network.get_parameters())
        self.averages = self.values.clone(prefix="average", init="same")
        self.time_constant = time_constant
        self.interval = min(max(int(time_constant / MOVES_PER_TIME_CONSTANT), 1), MAX_INTERVAL)

    def follow(self, updates: int) -> None:
        """Move the averages after `updates` updates of the network, unless it is not yet time."""
        interval = self.interval if updates >= self.interval else 1
        if updates % interval == 0:
            ramp = 1 - math.exp(-updates / (RAMP * self.time_constant))
            decay = math.exp(-1 / self.time_constant) * ramp
            self(Tensor(1 - decay**interval, mindspore.float32))

    def construct(self, share: Tensor) -> tuple[Tensor, ...]:
        """Move each average by `share`, 0..1, of the way to its parameter."""
        return ops.HyperMap()(ops.partial(_move, share), self.averages, self.values)


def _move(share: Tensor, average: Parameter, value: Parameter) -> Tensor:
    return ops.assign_add(average, share * (value - average))


@contextmanager
def averaged_weights(average: WeightAverage | None) -> Iterator[None]:
    """Give the network its averaged weights, if there is an average; at the end the trained ones again."""
    if average is None:
        yield
        return
    trained = [value.value().copy() for value in average.values]
    for value, mean in zip(average.values, average.averages, strict=True):
        value.set_data(mean.value().copy())
    try:
        yield
    finally:
        for value, weights in zip(average.values, trained, strict=True):
            value.set_data(weights)
