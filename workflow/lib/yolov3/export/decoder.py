"""The network with its outputs decoded inside (SPEC 1), for exports that keep the detection part."""

import numpy as np
from mindspore import Tensor, nn, ops

from yolov3.network.grid import InputSize
from yolov3.network.settings import ANCHORS_PER_STRIDE, STRIDES
from yolov3.network.yolo import YOLOv3


class DetectionDecoder(nn.Cell):
    """YOLOv3 with decoded outputs.

    Input: float32 [N, 3, H, W] RGB, normalised.
    Output: for strides 8, 16 and 32, float32 [N, H / stride, W / stride, 3, 5 + C]: box centre x, y, width and height
        in 0..1 of the input, confidence in 0..1, class scores in 0..1.

    Args:
        network: a network with raw outputs.
        input_size: (height, width) of the input in pixels, multiples of 32.
    """

    def __init__(self, network: YOLOv3, input_size: InputSize) -> None:
        super().__init__()
        self.network = network
        height, width = input_size
        self.values = network.settings.values_per_anchor
        self.grids = tuple((height // stride, width // stride) for stride in STRIDES)
        # A grid with one cell of each (column, row), and anchors in 0..1 of the input; both broadcast over the rest.
        self.cells_xy = tuple(
            Tensor(np.stack(np.meshgrid(range(columns), range(rows)), -1).astype(np.float32)[None, :, :, None])
            for rows, columns in self.grids
        )
        self.cell_shares = tuple(
            Tensor(np.array([1 / columns, 1 / rows], np.float32).reshape(1, 1, 1, 1, 2)) for rows, columns in self.grids
        )
        anchors = [np.array(network.settings.anchors_of(stride)) / (width, height) for stride in STRIDES]
        self.anchors_wh = tuple(Tensor(sizes.astype(np.float32)[None, None, None]) for sizes in anchors)

    def construct(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the decoded predictions of strides 8, 16 and 32."""
        raw_8, raw_16, raw_32 = self.network(images)
        return self.decode(raw_8, 0), self.decode(raw_16, 1), self.decode(raw_32, 2)

    def decode(self, raw: Tensor, index: int) -> Tensor:
        """Decode the raw map, float32 [N, 3 * (5 + C), gh, gw], of the stride at `index`."""
        rows, columns = self.grids[index]
        per_anchor = ops.reshape(raw, (-1, ANCHORS_PER_STRIDE, self.values, rows, columns))
        fields = ops.transpose(per_anchor, (0, 3, 4, 1, 2))
        center_xy = (ops.sigmoid(fields[..., 0:2]) + self.cells_xy[index]) * self.cell_shares[index]
        size_wh = ops.exp(fields[..., 2:4]) * self.anchors_wh[index]
        return ops.concat((center_xy, size_wh, ops.sigmoid(fields[..., 4:])), 4)
