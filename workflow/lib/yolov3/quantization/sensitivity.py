"""How much the quantization of each layer alone changes the outputs of a network."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from yolov3.export.onnx_file import layer_of
from yolov3.export.runners import onnx_runner
from yolov3.quantization.calibration import CalibrationFolder
from yolov3.quantization.qdq import prepare_qdq, quantize_prepared

# Enough to rank layers; the ranges of the final model are measured on all images.
MAX_IMAGES = 8
FLOAT_BYTES, INT8_BYTES = 4, 1


@dataclass(frozen=True)
class LayerSensitivity:
    """A layer, the error of the outputs if only this layer is quantized, and its additional bytes if kept in float.

    Attributes:
        error: mean over the raw maps of the mean squared error relative to the mean square.
    """

    name: str
    error: float
    float_bytes: int


def layer_sensitivities(
    model: Path, calibration: CalibrationFolder, on_layer: Callable[[int, int], Any] = lambda done, layers: None
) -> list[LayerSensitivity]:
    """Return the sensitivity of each convolution of an ONNX file, that which removes most error per byte first.

    Each layer is quantized alone, weights per channel and activations per tensor, as back end qdq does; MindSpore Lite
    quantizes alike.

    Args:
        model: exported network.
        calibration: images to measure ranges and errors on.
        on_layer: called after each layer with the number of layers done and that of all.
    """
    graph = onnx.load(model).graph
    weights = {tensor.name: int(np.prod(tensor.dims)) for tensor in graph.initializer}
    sizes = {layer_of(node): weights.get(node.input[1], 0) for node in graph.node if node.op_type == "Conv"}
    images = CalibrationFolder(calibration.files[:MAX_IMAGES], calibration.input_size)
    batch_size = graph.input[0].type.tensor_type.shape.dim[0].dim_value
    batches = list(images.batches(batch_size))
    run = onnx_runner(model)
    expected = [run(batch) for batch in batches]
    found = []
    with tempfile.TemporaryDirectory(prefix="sensitivity-") as folder:
        prepared, quantized = prepare_qdq(onnx.load(model), Path(folder)), Path(folder) / "quantized.onnx"
        for name, size in sizes.items():
            quantize_prepared(prepared, quantized, images, "MAX_MIN", sizes.keys() - {name})
            run = onnx_runner(quantized)
            error = _relative_error(expected, [run(batch) for batch in batches])
            found.append(LayerSensitivity(name, error, size * (FLOAT_BYTES - INT8_BYTES)))
            on_layer(len(found), len(sizes))
    return sorted(found, key=lambda layer: -layer.error / max(layer.float_bytes, 1))


def _relative_error(expected: Sequence[tuple[np.ndarray, ...]], found: Sequence[tuple[np.ndarray, ...]]) -> float:
    maps = [
        (
            np.mean([np.square(b[index] - a[index]).mean() for a, b in zip(expected, found, strict=True)]),
            np.mean([np.square(outputs[index]).mean() for outputs in expected]),
        )
        for index in range(len(expected[0]))
    ]
    return float(np.mean([difference / max(square, np.finfo(float).tiny) for difference, square in maps]))
