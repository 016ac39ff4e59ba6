"""YOLOv3 loss over all strides at once (arXiv:1804.02767, section 2)."""

from dataclasses import dataclass

from mindspore import Tensor, nn, ops

from yolov3.network.decode import decode_boxes
from yolov3.network.settings import ANCHORS_PER_STRIDE
from yolov3.training.overlap import GIOU, box_overlap

IGNORE_IOU = 0.7


@dataclass(frozen=True)
class LossSettings:
    """Settings of the loss; the fields are the keys of the same names in config section `train`."""

    label_smooth: int
    label_smooth_factor: float
    box_loss: str
    box_weight: float
    objectness_weight: float
    class_weight: float
    objectness_target: str


def flatten_raw(raw: Tensor) -> Tensor:
    """Reorder a raw map [N, 3 * (5 + C), gh, gw] to [N, gh * gw * 3, 5 + C], in the order of `prediction_grid`."""
    images, channels, rows, columns = raw.shape
    raw = raw.transpose((0, 2, 3, 1))
    return raw.reshape((images, rows * columns * ANCHORS_PER_STRIDE, channels // ANCHORS_PER_STRIDE))


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the element-wise cross-entropy of sigmoid(logits) and targets in 0..1."""
    return ops.relu(logits) - logits * targets + ops.log1p(ops.exp(-ops.abs(logits)))


class YoloLoss(nn.Cell):
    """The terms of the loss, each summed over cells, anchors and images and divided by the batch size.

    Box and class loss apply only to predictions responsible for a box, the confidence loss to all, except predictions
    that are not responsible but whose decoded box overlaps a ground-truth box by IoU >= 0.7.

    Args:
        num_classes: C.
        settings: see `LossSettings`. With smoothing factor f, the target is 1 - f for the class and f / (C - 1) for the
            others. `box_loss` is "published" (cross-entropy of the centre, squared error of the logarithmic size, both
            more for small boxes), "giou" or "ciou". `objectness_target` of a responsible prediction is "one", or "iou":
            the IoU of its box, without gradient.

    Attributes:
        term_names: names of the terms, with the prefix "loss_" also the columns of the training log.
    """

    def __init__(self, num_classes: int, settings: LossSettings) -> None:
        super().__init__()
        factor = settings.label_smooth_factor if settings.label_smooth else 0.0
        self.num_classes = num_classes
        self.class_target = 1.0 - factor
        self.other_target = factor / (num_classes - 1) if num_classes > 1 else 0.0
        self.has_published_box_loss = settings.box_loss == "published"
        self.measure = GIOU if self.has_published_box_loss else settings.box_loss
        self.has_iou_target = settings.objectness_target == "iou"
        box_terms = ("xy", "wh") if self.has_published_box_loss else ("box",)
        self.term_names = (*box_terms, "confidence", "class")
        self.needs_overlap = self.has_iou_target or not self.has_published_box_loss
        self.box_weight = settings.box_weight
        self.objectness_weight = settings.objectness_weight
        self.class_weight = settings.class_weight

    def construct(
        self,
        raw_maps: tuple[Tensor, Tensor, Tensor],
        grid: Tensor,
        boxes_xyxy: Tensor,
        prediction: Tensor,
        responsible: Tensor,
        offset_xy: Tensor,
        log_size_wh: Tensor,
        size_weight: Tensor,
        label: Tensor,
        objectness: Tensor,
    ) -> tuple[Tensor, ...]:
        """Return the weighted terms of `term_names`, float32 scalars.

        Args:
            raw_maps: raw outputs of strides 8, 16, 32, float32 [N, 3 * (5 + C), gh, gw].
            grid: `prediction_grid`, float32 [P, 6].
            boxes_xyxy, ..., objectness: stacked fields of the `ImageTargets` of N images.
        """
        predictions = ops.concat([flatten_raw(raw) for raw in raw_maps], 1)
        images, count, width = predictions.shape

        first = ops.arange(images, dtype=prediction.dtype).reshape((images, 1)) * count
        rows = (prediction + first).reshape((-1,))
        gathered = ops.gather(predictions.reshape((images * count, width)), rows, 0)
        weight = responsible.reshape((-1, 1))
        offset_xy, log_size_wh = offset_xy.reshape((-1, 2)), log_size_wh.reshape((-1, 2))

        class_targets = ops.one_hot(label.reshape((-1,)), self.num_classes, self.class_target, self.other_target)
        classes = (weight * binary_cross_entropy(gathered[:, 5:], class_targets)).sum() / images * self.class_weight

        considered = ops.maximum(objectness, self._not_ignored(predictions, grid, boxes_xyxy))
        confidence = (considered * binary_cross_entropy(predictions[:, :, 4], objectness)).sum()

        if self.needs_overlap:
            responsible_grid = ops.gather(grid, prediction.reshape((-1,)), 0)
            # Unpacking an IoU that nothing uses makes MindSpore warn of eliminated nodes at every start.
            overlap = self._overlap(gathered, responsible_grid, offset_xy, log_size_wh)
            if self.has_iou_target:
                # The cross-entropy with target t is that with target 1 plus (1 - t) * logit.
                confidence += (weight[:, 0] * (1 - ops.stop_gradient(overlap[0])) * gathered[:, 4]).sum()
        confidence = confidence / images * self.objectness_weight

        if self.has_published_box_loss:
            box_weight = weight * size_weight.reshape((-1, 1))
            xy = box_weight * binary_cross_entropy(gathered[:, 0:2], offset_xy)
            wh = box_weight * 0.5 * ops.square(gathered[:, 2:4] - log_size_wh)
            return xy.sum() / images * self.box_weight, wh.sum() / images * self.box_weight, confidence, classes
        return (weight[:, 0] * overlap[1]).sum() / images * self.box_weight, confidence, classes

    def _overlap(self, encoded: Tensor, grid: Tensor, offset_xy: Tensor, log_size_wh: Tensor) -> tuple[Tensor, Tensor]:
        """Return IoU and loss of responsible predictions, see `box_overlap`; rows are those of the predictions."""
        # In cells, which are square, unlike inputs of width and height 1; both boxes from the corner of the same cell.
        anchors_wh = grid[:, 4:6] * grid[:, 2:4]
        center, size = ops.sigmoid(encoded[:, 0:2]), ops.exp(encoded[:, 2:4]) * anchors_wh
        return box_overlap(center, size, offset_xy, ops.exp(log_size_wh) * anchors_wh, self.measure)

    def _not_ignored(self, predictions: Tensor, grid: Tensor, boxes_xyxy: Tensor) -> Tensor:
        """Return float32 [N, P], without gradient: 1 where the decoded box overlaps no ground truth by IoU >= 0.7.

        One tensor per coordinate, with the many predictions in the last axis: a last axis of two coordinates is slow.
        """
        encoded = ops.stop_gradient(predictions[:, :, 0:4])
        center, size = decode_boxes(encoded, grid[:, 0:2], grid[:, 2:4], grid[:, 4:6])
        half_size = size * 0.5
        left, top = [value.expand_dims(1) for value in ops.unbind(center - half_size, 2)]
        right, bottom = [value.expand_dims(1) for value in ops.unbind(center + half_size, 2)]
        truth_left, truth_top, truth_right, truth_bottom = [value.expand_dims(2) for value in ops.unbind(boxes_xyxy, 2)]

        areas = (right - left) * (bottom - top) + (truth_right - truth_left) * (truth_bottom - truth_top)
        width = _shared_length(left, right, truth_left, truth_right)
        height = _shared_length(top, bottom, truth_top, truth_bottom)
        intersection = width * height
        best_iou = (intersection / ops.maximum(areas - intersection, 1e-10)).max(axis=1)
        return ops.cast(best_iou < IGNORE_IOU, predictions.dtype)


def _shared_length(low: Tensor, high: Tensor, true_low: Tensor, true_high: Tensor) -> Tensor:
    """Return the lengths, [N, K, P], that intervals [N, 1, P] share with true ones [N, K, 1].

    MindSpore's minimum and maximum of unequal shapes take five times as long on a CPU as those of equal ones.
    """
    shape = (*true_low.shape[:2], low.shape[2])
    low, high, true_low, true_high = [ops.broadcast_to(value, shape) for value in (low, high, true_low, true_high)]
    return ops.relu(ops.minimum(high, true_high) - ops.maximum(low, true_low))
