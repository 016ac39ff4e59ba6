"""Time LeakyReLU forward and backward on the CPU: the training form and nn.LeakyReLU, alternating.

python benchmarks/activation.py
"""

import timeit

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops

from yolov3.network.darknet53 import LEAKY_SLOPE, LeakyReLU

LAYERS = 10


class Gradient(nn.Cell):
    def __init__(self, activation):
        super().__init__()
        self.activation = activation

    def forward(self, x):
        for _ in range(LAYERS):
            x = self.activation(x)
        return x

    def construct(self, x):
        return ops.grad(self.forward)(x)


def main() -> None:
    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    x = Tensor(np.random.default_rng(0).standard_normal((16, 16, 64, 64)).astype(np.float32))
    cells = {"training form": Gradient(LeakyReLU()), "nn.LeakyReLU": Gradient(nn.LeakyReLU(LEAKY_SLOPE))}
    cells["training form"].set_train(True)
    results = [cell(x).asnumpy() for cell in cells.values()]
    np.testing.assert_allclose(*results, rtol=1e-5)
    seconds = {name: [] for name in cells}
    for _ in range(20):
        for name, cell in cells.items():
            seconds[name].append(timeit.timeit(lambda cell=cell: cell(x).asnumpy(), number=1))
    training_ms, builtin_ms = (np.median(times) / LAYERS * 1e3 for times in seconds.values())
    ratio = training_ms / builtin_ms
    print(f"training form {training_ms:.2f} ms, nn.LeakyReLU {builtin_ms:.2f} ms per layer, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
