"""Read, check and write ONNX files, and tidy those that MindSpore exports."""

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from yolov3.errors import InputError
from yolov3.files import complete_file

# Where a DetectionDecoder holds the network.
DECODER_PREFIX = "network."
WEIGHT_SUFFIXES = (".conv.weight", ".weight")


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read and check an ONNX file.

    Raises:
        InputError: the file is missing, cut off or not ONNX.
    """
    if not path.is_file():
        raise InputError(f"model {path} does not exist: run the export stage first, or check the path")
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    # The exceptions of protobuf and ONNX have no common base but Exception.
    except Exception:
        raise InputError(
            f"model {path} ({path.stat().st_size:,} bytes) is cut off or not an ONNX file: export it again"
        ) from None
    return model


def write_onnx(path: Path, model: onnx.ModelProto) -> None:
    """Write an ONNX file atomically."""
    with complete_file(path) as temporary:
        onnx.save(model, temporary)


def layer_of(node: onnx.NodeProto) -> str:
    """Return the layer name of a convolution, such as "branch_8.head", derived from the name of its weight."""
    weight = node.input[1].removeprefix(DECODER_PREFIX)
    for suffix in WEIGHT_SUFFIXES:
        if weight.endswith(suffix):
            return weight.removesuffix(suffix)
    return weight


def tidy_export(model: onnx.ModelProto) -> None:
    """Simplify a model exported by MindSpore in place, without changing its result.

    Leaky ReLU is exported as max(x, slope * x) in two nodes, which runtimes neither fuse with the preceding convolution
    nor quantize well: replace them by one LeakyRelu node. Name convolutions after their layers. Set the missing mode of
    Resize nodes to nearest, the standard's default, because MindSpore Lite 2.0.0 assumes bilinear.
    """
    _merge_leaky_relus(model.graph)
    for node in model.graph.node:
        if node.op_type == "Conv":
            node.name = layer_of(node)
        if node.op_type == "Resize" and not any(attribute.name == "mode" for attribute in node.attribute):
            node.attribute.append(helper.make_attribute("mode", "nearest"))
    onnx.checker.check_model(model)


def _merge_leaky_relus(graph: onnx.GraphProto) -> None:
    constants = _scalars(graph)
    producers = {name: node for node in graph.node for name in node.output}
    uses = [name for node in graph.node for name in node.input] + [output.name for output in graph.output]
    merged = []
    for node in graph.node:
        if node.op_type != "Max" or len(node.input) != 2:
            continue
        for scaled, x in (node.input, reversed(node.input)):
            product = producers.get(scaled)
            if product is None or product.op_type != "Mul" or x not in product.input or uses.count(scaled) != 1:
                continue
            slopes = [constants[name] for name in product.input if name in constants]
            # max(x, slope * x) is a leaky ReLU for slopes up to 1 only.
            if len(slopes) == 1 and 0 <= slopes[0] <= 1:
                merged.append(product)
                node.CopyFrom(helper.make_node("LeakyRelu", [x], list(node.output), name=node.name, alpha=slopes[0]))
                break
    for product in merged:
        graph.node.remove(product)
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def _scalars(graph: onnx.GraphProto) -> dict[str, float]:
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            tensors[node.output[0]] = next(attribute.t for attribute in node.attribute if attribute.name == "value")
    return {
        name: float(np.float32(numpy_helper.to_array(tensor).item()))
        for name, tensor in tensors.items()
        if tensor.data_type == onnx.TensorProto.FLOAT and int(np.prod(tensor.dims)) == 1
    }
