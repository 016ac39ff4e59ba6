"""Fold batch normalisation into the convolutions, for export.

At inference, y = gamma * (conv(x) - mean) / sqrt(variance + eps) + beta is a convolution with scaled weights and bias.
"""

import numpy as np
from mindspore import Tensor, nn

from yolov3.network.darknet53 import ConvBlock
from yolov3.network.yolo import YOLOv3


def folded_network(network: YOLOv3) -> YOLOv3:
    """Return a new network in inference mode with the outputs of `network` and without batch normalisation.

    The weights keep their names; each convolution of a block gains `<block>.conv.bias`, float32 [out_channels].
    """
    folded = YOLOv3(network.settings)
    sources = dict(network.cells_and_names())
    for name, block in list(folded.cells_and_names()):
        if isinstance(block, ConvBlock):
            block.conv = _folded_convolution(sources[name])
            block.batch_norm = nn.Identity()
    parameters = dict(network.parameters_and_names())
    for name, parameter in list(folded.parameters_and_names()):
        # The parameters of a replaced layer have names that are unique only within the layer.
        parameter.name = name
        if name.endswith((".head.weight", ".head.bias")):
            parameter.set_data(parameters[name])
    folded.set_train(False)
    return folded


def _folded_convolution(block: ConvBlock) -> nn.Conv2d:
    source, norm = block.conv, block.batch_norm
    beta, gamma, mean, variance = (
        value.asnumpy().astype(np.float64) for value in (norm.beta, norm.gamma, norm.moving_mean, norm.moving_variance)
    )
    scale = gamma / np.sqrt(variance + norm.eps)
    weight = source.weight.asnumpy() * scale[:, None, None, None]
    return nn.Conv2d(
        source.in_channels,
        source.out_channels,
        source.kernel_size,
        source.stride,
        pad_mode=source.pad_mode,
        padding=source.padding,
        has_bias=True,
        weight_init=Tensor(weight.astype(np.float32)),
        bias_init=Tensor((beta - mean * scale).astype(np.float32)),
    )
