"""A low first confidence for networks trained from scratch."""

import math

from mindspore import Tensor

from yolov3.network.settings import ANCHORS_PER_STRIDE, STRIDES
from yolov3.network.yolo import YOLOv3


def set_objectness_prior(network: YOLOv3, prior: float) -> None:
    """Set the head biases so that every prediction starts with confidence `prior` (0..1).

    Most predictions are background, so a low start spares the first thousand steps of a run from scratch.
    """
    for stride in STRIDES:
        bias = getattr(network, f"branch_{stride}").head.bias
        values = bias.asnumpy().reshape(ANCHORS_PER_STRIDE, network.settings.values_per_anchor)
        values[:, 4] = math.log(prior / (1 - prior))
        bias.set_data(Tensor(values.reshape(-1)))
