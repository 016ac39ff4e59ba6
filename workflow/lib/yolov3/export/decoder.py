"""Decode the outputs of the network inside the graph, for exports with keep_detect (arXiv:1804.02767, section 2.1)."""

import numpy as np
from mindspore import Tensor, nn, ops

from yolov3.network.decode import decode_boxes
from yolov3.network.grid import InputSize, prediction_grid, predictions_per_stride
from yolov3.network.settings import ANCHORS_PER_STRIDE, STRIDES
from yolov3.network.yolo import YOLOv3


class DetectionDecoder(nn.Cell):
    """YOLOv3 with decoded outputs.

    Input: float32 [N, 3, H, W] RGB, normalised.
    Output: for each stride 8, 16 and 32, float32 [N, H / stride, W / stride, 3, 5 + C]: box centre x, y, width and
        height as fractions of the input, confidence in 0..1, class scores in 0..1.

    Args:
        network: network with raw outputs.
        input_size: (height, width) of the input in pixels, multiples of 32.
    """

    def __init__(self, network: YOLOv3, input_size: InputSize) -> None:
        super().__init__()
        self.network = network
        self.values = network.settings.values_per_anchor
        self.shapes = tuple((input_size[0] // stride, input_size[1] // stride) for stride in STRIDES)
        rows = prediction_grid(input_size, network.settings.anchors)
        ends = np.cumsum(predictions_per_stride(input_size))
        grids = [
            part.reshape(1, *shape, ANCHORS_PER_STRIDE, 6)
            for part, shape in zip(np.split(rows, ends[:-1]), self.shapes, strict=True)
        ]
        # Split here, because splitting a constant in the graph would add operators to the exported file.
        self.columns = tuple(tuple(Tensor(part) for part in np.split(grid, 3, axis=-1)) for grid in grids)

    def construct(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the decoded predictions of strides 8, 16 and 32."""
        raw_8, raw_16, raw_32 = self.network(images)
        return self.decode(raw_8, 0), self.decode(raw_16, 1), self.decode(raw_32, 2)

    def decode(self, raw: Tensor, index: int) -> Tensor:
        """Decode the raw map, float32 [N, 3 * (5 + C), gh, gw], of the stride at `index`."""
        per_anchor = ops.reshape(raw, (-1, ANCHORS_PER_STRIDE, self.values, *self.shapes[index]))
        fields = ops.transpose(per_anchor, (0, 3, 4, 1, 2))
        center_xy, size_wh = decode_boxes(fields, *self.columns[index])
        return ops.concat((center_xy, size_wh, ops.sigmoid(fields[..., 4:])), 4)
