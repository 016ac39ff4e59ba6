"""Optimizers against their formulas in NumPy."""

import mindspore
import numpy as np
import pytest
from mindspore import Parameter, Tensor

from yolov3.training.optimizer import AdamW

START = (np.array([1.0, -2.0, 0.5]), np.array([3.0]))
RATES = np.linspace(0.1, 0.01, 10)


def optimized(new, decays=(0.3, 0.0), gradients=None):
    """Two parameters, the first of which decays, after ten steps."""
    rng = np.random.default_rng(0)
    parameters = [
        Parameter(Tensor(value.astype(np.float32)), name=name) for name, value in zip("ab", START, strict=True)
    ]
    groups = [{"params": [one], "weight_decay": decay} for one, decay in zip(parameters, decays, strict=True)]
    optimizer = new([*groups, {"order_params": parameters}], Tensor(RATES.astype(np.float32)))
    history = []
    for _ in RATES:
        history.append([rng.normal(size=value.shape) if gradients is None else gradients for value in START])
        optimizer(
            tuple(
                Tensor(np.broadcast_to(value, start.shape).astype(np.float32))
                for value, start in zip(history[-1], START, strict=True)
            )
        )
    return [parameter.asnumpy() for parameter in parameters], history


@pytest.mark.parametrize("mode", [mindspore.PYNATIVE_MODE, mindspore.GRAPH_MODE])
def test_adamw_as_in_its_paper(mode):
    """Algorithm 2 of arXiv:1711.05101, in float64."""
    mindspore.set_context(mode=mode)
    ours, history = optimized(lambda groups, rates: AdamW(groups, rates, 0.9))
    for index, (value, decay) in enumerate(zip(START, (0.3, 0.0), strict=True)):
        value, m, v = value.copy(), 0.0, 0.0
        for step, (rate, gradients) in enumerate(zip(RATES, history, strict=True), 1):
            m = 0.9 * m + 0.1 * gradients[index]
            v = 0.999 * v + 0.001 * gradients[index] ** 2
            value -= rate * ((m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8) + decay * value)
        np.testing.assert_allclose(ours[index], value, rtol=1e-5)


def test_a_constant_gradient_moves_by_the_rate():
    ours, _ = optimized(lambda groups, rates: AdamW(groups, rates, 0.9), (0.0, 0.0), gradients=7.0)
    for value, start in zip(ours, START, strict=True):
        np.testing.assert_allclose(start - value, RATES.sum(), rtol=1e-4)
