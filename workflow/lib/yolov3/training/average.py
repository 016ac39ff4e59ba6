"""Exponential moving average of a network's weights (arXiv:1803.05407 explains why an average generalises better)."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import mindspore
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

# Share of the time constant in which the decay rises, so that the average forgets the initial weights.
RAMP = 0.2


class WeightAverage(nn.Cell):
    """Average of all parameters of a network and of the statistics of its BatchNorm layers.

    Update n, counted from 1, moves each average by (1 - decay_n) of the way to its parameter, where
    decay_n = decay * (1 - exp(-n / (RAMP * T))), decay = exp(-1 / T).

    Args:
        network: the network that is trained.
        time_constant: T, in updates.
    """

    def __init__(self, network: nn.Cell, time_constant: float) -> None:
        super().__init__(auto_prefix=False)
        self.values = ParameterTuple(network.get_parameters())
        self.averages = self.values.clone(prefix="average", init="same")
        self.updates = Parameter(Tensor(0.0, mindspore.float32), name="average.updates", requires_grad=False)
        self.decay = math.exp(-1 / time_constant)
        self.ramp = -1 / (RAMP * time_constant)

    def construct(self) -> Tensor:
        """Move the averages; return the number of updates."""
        updates = ops.assign_add(self.updates, Tensor(1.0, mindspore.float32))
        share = 1 - self.decay * (1 - ops.exp(updates * self.ramp))
        moved = ops.HyperMap()(ops.partial(_move, share), self.averages, self.values)
        return ops.depend(updates, moved)


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
