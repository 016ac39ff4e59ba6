"""Equalise the ranges of weights between layers before quantization (arXiv:1906.04721, section 4.1)."""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

# Pairs share layers, so each changes the ranges of the next; these many rounds are enough for chains of five layers.
ROUNDS = 20
# Operators f with f(s * x) = s * f(x) for s > 0.
HOMOGENEOUS_OPERATORS = ("LeakyRelu", "Relu")


def equalize_weights(model: onnx.ModelProto) -> int:
    """Equalise in place each convolution with the next one, without changing the outputs of the network.

    Output channel i of the first is divided by s_i and input channel i of the second multiplied by it, where
    s_i = sqrt(r1_i * r2_i) / r2_i and r1_i, r2_i are the largest absolute weights of the channel. Channels with small
    values then no longer share a scale with much larger ones.

    Returns:
        Number of pairs: convolutions with nothing but an activation between them, whose result nothing else reads.
    """
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    weights = {
        name: numpy_helper.to_array(tensors[name]).copy()
        for node in model.graph.node
        if node.op_type == "Conv"
        for name in node.input[1:]
        if name in tensors
    }
    pairs = list(_pairs(model.graph, weights))
    for _ in range(ROUNDS):
        for first, second in pairs:
            ranges_first = np.abs(weights[first.input[1]]).max(axis=(1, 2, 3))
            ranges_second = np.abs(weights[second.input[1]]).max(axis=(0, 2, 3))
            is_used = (ranges_first > 0) & (ranges_second > 0)
            scales = np.ones_like(ranges_first)
            scales[is_used] = np.sqrt(ranges_first[is_used] / ranges_second[is_used])
            for name in first.input[1:]:
                weights[name] /= scales.reshape(-1, *[1] * (weights[name].ndim - 1))
            weights[second.input[1]] *= scales.reshape(-1, 1, 1)
    for name, values in weights.items():
        tensors[name].CopyFrom(numpy_helper.from_array(values, name))
    return len(pairs)


def _pairs(graph: onnx.GraphProto, weights: dict[str, np.ndarray]) -> Iterator[tuple[onnx.NodeProto, onnx.NodeProto]]:
    """Yield the pairs of convolutions to equalise."""
    readers: dict[str, list[onnx.NodeProto | None]] = {output.name: [None] for output in graph.output}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)

    def only_reader(name: str) -> onnx.NodeProto | None:
        nodes = readers.get(name, [])
        return nodes[0] if len(nodes) == 1 else None

    def is_plain(node: onnx.NodeProto) -> bool:
        """Whether a node is a convolution of one group whose weights no other node reads."""
        groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
        own = all(name in weights and len(readers[name]) == 1 for name in node.input[1:])
        return node.op_type == "Conv" and groups == 1 and own

    for node in graph.node:
        reader = only_reader(node.output[0])
        while reader is not None and reader.op_type in HOMOGENEOUS_OPERATORS:
            reader = only_reader(reader.output[0])
        if reader is not None and is_plain(node) and is_plain(reader):
            yield node, reader
