"""A network as a function of NumPy arrays, so that its callers do not depend on MindSpore."""

from collections.abc import Callable

import numpy as np
from mindspore import Tensor, nn

from yolov3.network.grid import RawMaps


def inference_of(network: nn.Cell) -> Callable[[np.ndarray], RawMaps]:
    """Return a function that runs the network in inference mode, from float32 [N, 3, H, W] to raw maps."""

    def infer(images: np.ndarray) -> RawMaps:
        if network.training:
            network.set_train(False)
        return tuple(raw.asnumpy() for raw in network(Tensor(images)))

    return infer
