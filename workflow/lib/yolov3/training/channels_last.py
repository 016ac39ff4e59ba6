"""A twin of the network for training on CPUs: channels last, with the operators of native_training/.

MindSpore gives its CPU convolutions tensors of the layout [N, C, H, W], for which oneDNN has no fast code; for
[N, H, W, C] it has. The twin shares the parameters of the network, whose layouts and names stay as they are.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from mindspore import Tensor, nn, ops

from yolov3.errors import InputError
from yolov3.network.darknet53 import LEAKY_SLOPE, ConvBlock
from yolov3.network.yolo import UpsampleConcat, YOLOv3
from yolov3.process import available_cpus
from yolov3.training.twin import twin_of

# In MindSpore's message when an operator returns an error.
CUSTOM_OPERATOR_MARK = "CPU AOT kernel"


def channels_last_twin(network: YOLOv3, library: Path) -> nn.Cell:
    """Return a network with the same parameters from float32 [N, H, W, 3] to the raw maps of `YOLOv3`.

    Args:
        network: the network.
        library: the built operators.

    Raises:
        InputError: the library cannot be loaded, or the network is one of the model zoo, which pads otherwise.
    """
    if ":" in str(library):
        # Between the path and the name of an operator, MindSpore expects the only colon.
        raise InputError(f"{library} has a colon in its path: move the project, or set train.cpu_kernels to mindspore")
    if network.settings.compatibility != "darknet":
        raise InputError("the network is one of the model zoo, which needs train.cpu_kernels mindspore: set it")
    try:
        ctypes.CDLL(str(library)).set_thread_count(available_cpus())
    except OSError as error:
        raise InputError(
            f"{library} cannot be loaded ({error}): build it again, or set train.cpu_kernels to mindspore"
        ) from None
    twin = twin_of(network)
    names = {parameter: parameter.name for parameter in twin.get_parameters()}
    for _, cell in list(twin.cells_and_names()):
        if isinstance(cell, ConvBlock):
            cell.activation = nn.Identity()
            cell.batch_norm = _NormAndActivation(cell.batch_norm, library)
        for name, layer in list(cell.name_cells().items()):
            if isinstance(layer, nn.Conv2d):
                setattr(cell, name, _Convolution(layer, library))
            elif isinstance(layer, UpsampleConcat):
                setattr(cell, name, _UpsampleConcat(layer))
    for parameter, name in names.items():
        parameter.name = name
    return _RawMaps(twin)


@contextmanager
def operator_errors() -> Iterator[None]:
    """Turn MindSpore's error for an operator that failed into an InputError; other errors pass."""
    try:
        yield
    except RuntimeError as error:
        if CUSTOM_OPERATOR_MARK not in str(error):
            raise
        raise InputError(
            "an operator of native_training failed, mostly because memory ran out: lower train.per_batch_size, or set "
            "train.cpu_kernels to mindspore; the last checkpoint is kept"
        ) from None


class _RawMaps(nn.Cell):
    """Raw maps with channels second, as the loss takes them."""

    def __init__(self, network: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.network = network

    def construct(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        raw_8, raw_16, raw_32 = self.network(pixels)
        return raw_8.transpose((0, 3, 1, 2)), raw_16.transpose((0, 3, 1, 2)), raw_32.transpose((0, 3, 1, 2))


class _Convolution(nn.Cell):
    """A convolution of float32 [N, H, W, C] with the weights [O, C, K, K] of a layer."""

    def __init__(self, layer: nn.Conv2d, library: Path) -> None:
        super().__init__(auto_prefix=False)
        self.weight = layer.weight
        self.bias = layer.bias if layer.has_bias else None
        self.operator = _convolution_operator(library, layer.stride[0])

    def construct(self, x: Tensor) -> Tensor:
        x = self.operator(x, self.weight)
        return x if self.bias is None else x + self.bias


class _NormAndActivation(nn.Cell):
    """Batch normalisation and leaky ReLU of float32 [N, H, W, C]; in training also moves the running statistics."""

    def __init__(self, layer: nn.BatchNorm2d, library: Path) -> None:
        super().__init__(auto_prefix=False)
        self.gamma, self.beta = layer.gamma, layer.beta
        self.moving_mean, self.moving_variance = layer.moving_mean, layer.moving_variance
        self.epsilon = layer.eps
        # nn.BatchNorm2d stores the share of the new statistics.
        self.options = Tensor(np.array([layer.eps, layer.momentum, LEAKY_SLOPE], np.float32))
        self.activation = nn.LeakyReLU(LEAKY_SLOPE)
        self.operator = _norm_operator(library)

    def construct(self, x: Tensor) -> Tensor:
        if not self.training:
            scale = self.gamma * ops.rsqrt(self.moving_variance + self.epsilon)
            return self.activation(x * scale + (self.beta - self.moving_mean * scale))
        outputs = self.operator(x, self.gamma, self.beta, self.moving_mean, self.moving_variance, self.options)
        ops.assign(self.moving_mean, outputs[3])
        ops.assign(self.moving_variance, outputs[4])
        return outputs[0]


class _UpsampleConcat(nn.Cell):
    """`UpsampleConcat` with channels last."""

    def __init__(self, layer: UpsampleConcat) -> None:
        super().__init__(auto_prefix=False)
        self.reduce = layer.reduce

    def construct(self, route: Tensor, feature: Tensor) -> Tensor:
        route = self.reduce(route)
        images, height, width, channels = route.shape
        route = ops.broadcast_to(
            route.reshape((images, height, 1, width, 1, channels)), (images, height, 2, width, 2, channels)
        )
        return ops.concat((route.reshape((images, 2 * height, 2 * width, channels)), feature), 3)


def _operator(library: Path, name: str, shapes: Callable, types: Callable, bprop: Callable | None = None) -> ops.Custom:
    return ops.Custom(f"{library}:{name}", shapes, types, "aot", bprop)


def _convolution_operator(library: Path, stride: int) -> ops.Custom:
    # MindSpore parses these functions into its graph; lambda expressions as arguments are more than it can parse.
    def third(gradient, weights, x):  # type: ignore[no-untyped-def]
        return x

    def second(gradient, weights, x):  # type: ignore[no-untyped-def]
        return weights

    def output_shape(x, weights):  # type: ignore[no-untyped-def]
        return [x[0], x[1] // stride, x[2] // stride, weights[0]]

    def output_type(x, weights):  # type: ignore[no-untyped-def]
        return x

    input_gradient = _operator(library, "convolution_input_gradient", third, third)
    weight_gradient = _operator(library, "convolution_weight_gradient", second, second)

    def bprop(x, weights, out, gradient):  # type: ignore[no-untyped-def]
        return input_gradient(gradient, weights, x), weight_gradient(gradient, weights, x)

    return _operator(library, "convolution", output_shape, output_type, bprop)


def _norm_operator(library: Path) -> ops.Custom:
    def of_outputs(x, gamma, beta, mean, variance, options):  # type: ignore[no-untyped-def]
        return x, gamma, gamma, gamma, gamma

    def of_gradients(gradient, x, gamma, beta, mean, inverse_deviation, options):  # type: ignore[no-untyped-def]
        return x, gamma, gamma

    gradients = _operator(library, "batch_norm_and_leaky_relu_gradient", of_gradients, of_gradients)

    def bprop(x, gamma, beta, mean, variance, options, out, gradient):  # type: ignore[no-untyped-def]
        found = gradients(gradient[0], x, gamma, beta, out[1], out[2], options)
        return (
            found[0],
            found[1],
            found[2],
            ops.zeros_like(mean),
            ops.zeros_like(variance),
            ops.zeros_like(options),
        )

    return _operator(library, "batch_norm_and_leaky_relu", of_outputs, of_outputs, bprop)
