"""Read checkpoints of the original model zoo code (mindspore-ai/models, official/cv/yolov3_darknet53)."""

from collections.abc import Sequence

import numpy as np
from mindspore import Parameter
from numpy.typing import NDArray

from yolov3.weights.checkpoint import Checkpoint, require_match
from yolov3.weights.layers import BACKBONE_PREFIX, DarknetLayer

# The network is the feature_map of a cell that decodes; training wraps that cell as yolo_network.
NETWORK_PREFIX = "feature_map."
TRAINING_PREFIX = "yolo_network."

_CELLS = {
    "branch_32": "backblock0",
    "branch_16": "backblock1",
    "branch_8": "backblock2",
    "up_16": "conv1",
    "up_8": "conv2",
}
_RESIDUAL_CELLS = {"reduce": "conv1", "expand": "conv2"}
# A block is a sequence of convolution, batch normalisation and activation.
_BLOCK_CELLS = {"conv": "0.", "batch_norm": "1."}


def is_modelzoo(checkpoint: Checkpoint) -> bool:
    """Return whether a checkpoint's parameters are named as in the model zoo code."""
    return bool(_network_parameters(checkpoint))


def modelzoo_name(layer: DarknetLayer, parameter: str) -> str:
    """Return the name of a parameter in the model zoo code.

    Args:
        layer: convolution that the parameter belongs to.
        parameter: its name in YOLOv3; "backbone.stages.0.1.reduce.conv.weight" gives
            "feature_map.backbone.layer1.0.conv1.0.weight".
    """
    cell, _, field = parameter.removeprefix(f"{layer.name}.").rpartition(".")
    return f"{NETWORK_PREFIX}{_block_name(layer.name)}.{_BLOCK_CELLS[cell] if cell else ''}{field}"


def modelzoo_arrays(checkpoint: Checkpoint, layers: Sequence[DarknetLayer]) -> dict[str, NDArray[np.float32]]:
    """Return parameter name -> values, float32, for all `layers`; optimizer state in the file is ignored.

    Raises:
        InputError: a parameter is missing, unexpected, or has the wrong shape.
    """
    sources = _network_parameters(checkpoint)
    parameters = [(name, modelzoo_name(layer, name), shape) for layer in layers for name, shape in layer.parameters]
    require_match(
        sources,
        {original: shape for _, original, shape in parameters},
        f"model zoo checkpoint {checkpoint.path}",
        "use the settings of section network and the number of classes that it was trained with",
    )
    return {name: sources[original].asnumpy().astype(np.float32, copy=False) for name, original, _ in parameters}


def _network_parameters(checkpoint: Checkpoint) -> dict[str, Parameter]:
    parameters = {name.removeprefix(TRAINING_PREFIX): value for name, value in checkpoint.parameters.items()}
    return {name: value for name, value in parameters.items() if name.startswith(NETWORK_PREFIX)}


def _block_name(name: str) -> str:
    if not name.startswith(BACKBONE_PREFIX):
        cell, part, *index = name.split(".")
        if cell.startswith("up_"):
            return _CELLS[cell]
        return f"{_CELLS[cell]}.conv{index[0] if index else {'expand': 5, 'head': 6}[part]}"
    _, _, *place = name.split(".")
    if not place:
        return f"{BACKBONE_PREFIX}conv0"
    stage, index_in_stage = int(place[0]) + 1, int(place[1])
    if index_in_stage == 0:
        return f"{BACKBONE_PREFIX}conv{stage}"
    return f"{BACKBONE_PREFIX}layer{stage}.{index_in_stage - 1}.{_RESIDUAL_CELLS[place[2]]}"
