"""The decoding of boxes in MindSpore, for the loss and for exports that decode inside; in NumPy it is in `grid`."""

from mindspore import Tensor, ops


def decode_boxes(encoded: Tensor, cells_xy: Tensor, grid_wh: Tensor, anchors_wh: Tensor) -> tuple[Tensor, Tensor]:
    """Return (centre x and y, width and height), [..., 2] each in 0..1 of the input, as `grid.decode_boxes` does.

    Args:
        encoded: [..., 4], the first values of predictions.
        cells_xy, grid_wh, anchors_wh: the columns of `prediction_grid`, in shapes that broadcast to [..., 2].
    """
    return (ops.sigmoid(encoded[..., 0:2]) + cells_xy) / grid_wh, ops.exp(encoded[..., 2:4]) * anchors_wh
