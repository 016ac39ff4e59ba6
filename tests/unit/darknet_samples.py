"""Networks and random weights that the tests of Darknet's formats share."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from yolov3.network.settings import NetworkSettings
from yolov3.weights.layers import DarknetLayer

ANCHORS = (
    (10.0, 13.0),
    (16.0, 30.0),
    (33.0, 23.0),
    (30.0, 61.0),
    (62.0, 45.0),
    (59.0, 119.0),
    (116.0, 90.0),
    (156.0, 198.0),
    (373.0, 326.0),
)


def full_settings() -> NetworkSettings:
    names = tuple(f"class {number}" for number in range(80))
    return NetworkSettings((64, 128, 256, 512, 1024), (1, 2, 8, 8, 4), ANCHORS, names)


def slim_settings(class_names: tuple[str, ...] = ("a", "b", "c")) -> NetworkSettings:
    return NetworkSettings((8, 16, 32, 64, 128), (1, 1, 2, 2, 1), ANCHORS, class_names)


def random_arrays(layers: Sequence[DarknetLayer], seed: int) -> dict[str, NDArray[np.float32]]:
    """Values for each parameter that keep the activations of the network near 1."""
    generator = np.random.default_rng(seed)
    arrays = {}
    for layer in layers:
        # Each residual block adds to its input: a small gamma keeps the sum of 23 of them from growing.
        gamma = 0.3 if layer.name.startswith("backbone.stages") and layer.name.endswith("expand") else 1.0
        for name, shape in layer.parameters:
            field = name.rpartition(".")[2]
            if field == "weight":
                deviation = math.sqrt(2.0 / math.prod(shape[1:]))
                values = generator.standard_normal(shape, np.float32) * np.float32(deviation)
            elif field == "moving_variance":
                values = generator.uniform(0.5, 1.5, shape)
            elif field == "gamma":
                values = generator.uniform(0.8, 1.2, shape) * gamma
            else:
                values = generator.normal(0.0, 0.1, shape)
            arrays[name] = values.astype(np.float32)
    return arrays
