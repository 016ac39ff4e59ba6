"""Decoding of boxes in MindSpore, for the loss and for exported decoders; `grid` has the NumPy version."""

from mindspore import Tensor, ops


def decode_boxes(encoded: Tensor, cells_xy: Tensor, grid_wh: Tensor, anchors_wh: Tensor) -> tuple[Tensor, Tensor]:
    """Return centres (x, y) and sizes (width, height), each [..., 2] in 0..1 of the input, as `grid.decode_boxes`.

    Args:
        encoded: [..., 4], raw outputs tx, ty, tw, th.
        cells_xy, grid_wh, anchors_wh: pairs of columns of `prediction_grid`, broadcastable to [..., 2].
    """
    return (ops.sigmoid(encoded[..., 0:2]) + cells_xy) / grid_wh, ops.exp(encoded[..., 2:4]) * anchors_wh
