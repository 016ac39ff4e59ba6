"""The loss against a dense implementation of the formulas in NumPy, cell by cell."""

import mindspore
import numpy as np
import pytest
from mindspore import Tensor
from schema_settings import published
from test_overlap import overlap_by_hand

from yolov3.network.grid import prediction_grid
from yolov3.training.loss import LossSettings, YoloLoss
from yolov3.training.targets import assign_targets

ANCHORS = ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))
CLASSES = 4
SIZE = (96, 128)


@pytest.fixture(autouse=True)
def eager():
    """In the mode that an earlier test may have left, each case would be compiled, which takes five times as long."""
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cross_entropy(logit, target):
    p = sigmoid(logit)
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union


def dense_loss(raw_maps, boxes, labels, smoothing=0.0, ignore_iou=0.7, measure="giou", has_iou_target=False):
    """Terms xy, wh, confidence and class, and that of an IoU loss, by loops over every cell and anchor in float64."""
    xy = wh = confidence = classes = overlap = 0.0
    height, width = SIZE
    images = raw_maps[0].shape[0]
    for image in range(images):
        responsible = {}
        for box, label in zip(boxes[image], labels[image], strict=True):
            w, h = box[2] - box[0], box[3] - box[1]
            overlaps = [min(w, aw) * min(h, ah) / (w * h + aw * ah - min(w, aw) * min(h, ah)) for aw, ah in ANCHORS]
            best = int(np.argmax(overlaps))
            stride = (8, 16, 32)[best // 3]
            cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            responsible[best // 3, int(cy // stride), int(cx // stride), best % 3] = (cx, cy, w, h, label)
        for scale, stride in enumerate((8, 16, 32)):
            raw = raw_maps[scale][image].astype(np.float64)
            rows, columns = height // stride, width // stride
            raw = raw.reshape(3, 5 + CLASSES, rows, columns)
            for anchor in range(3):
                aw, ah = ANCHORS[scale * 3 + anchor]
                for row in range(rows):
                    for column in range(columns):
                        tx, ty, tw, th, to, *logits = raw[anchor, :, row, column]
                        truth = responsible.get((scale, row, column, anchor))
                        if truth is not None:
                            cx, cy, w, h, label = truth
                            weight = 2 - w * h / (width * height)
                            xy += weight * (
                                cross_entropy(tx, cx / stride - column) + cross_entropy(ty, cy / stride - row)
                            )
                            wh += weight * 0.5 * ((tw - np.log(w / aw)) ** 2 + (th - np.log(h / ah)) ** 2)
                            decoded = (
                                sigmoid(tx) + column,
                                sigmoid(ty) + row,
                                aw * np.exp(tw) / stride,
                                ah * np.exp(th) / stride,
                            )
                            iou_of_pair, loss, _ = overlap_by_hand(decoded, np.array([cx, cy, w, h]) / stride, measure)
                            overlap += loss
                            confidence += cross_entropy(to, iou_of_pair if has_iou_target else 1.0)
                            for index, logit in enumerate(logits):
                                target = 1 - smoothing if index == label else smoothing / (CLASSES - 1)
                                classes += cross_entropy(logit, target)
                            continue
                        cx, cy = (sigmoid(tx) + column) * stride, (sigmoid(ty) + row) * stride
                        w, h = aw * np.exp(tw), ah * np.exp(th)
                        decoded = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
                        if max((iou(decoded, box) for box in boxes[image]), default=0.0) < ignore_iou:
                            confidence += cross_entropy(to, 0.0)
    return np.array([xy, wh, confidence, classes, overlap]) / images


def random_case(seed, boxes_per_image):
    rng = np.random.default_rng(seed)
    raw_maps = [
        rng.normal(0, 0.6, (len(boxes_per_image), 3 * (5 + CLASSES), SIZE[0] // s, SIZE[1] // s)).astype(np.float32)
        for s in (8, 16, 32)
    ]
    boxes, labels = [], []
    for count in boxes_per_image:
        size = rng.uniform(5, 60, (count, 2))
        top_left = rng.uniform(0, 1, (count, 2)) * (np.array([SIZE[1], SIZE[0]]) - size)
        boxes.append(np.concatenate([top_left, top_left + size], axis=1).astype(np.float32))
        labels.append(rng.integers(0, CLASSES, count))
    return raw_maps, boxes, labels


def loss_of(classes=CLASSES, smoothing=0.0, **changes):
    """The loss; smoothing is on if it is not 0."""
    smoothed = {"label_smooth": 1, "label_smooth_factor": smoothing} if smoothing else {}
    return YoloLoss(classes, published(LossSettings, **smoothed, **changes))


def our_loss(raw_maps, boxes, labels, smoothing=0.0, **changes):
    targets = [assign_targets(b, label, SIZE, ANCHORS, 8) for b, label in zip(boxes, labels, strict=True)]
    stacked = [Tensor(np.stack([getattr(t, name) for t in targets])) for name in vars(targets[0])]
    grid = Tensor(np.array(prediction_grid(SIZE, ANCHORS)))
    loss = loss_of(smoothing=smoothing, **changes)
    terms = loss(tuple(map(Tensor, raw_maps)), grid, *stacked)
    assert len(terms) == len(loss.term_names)
    return np.array([float(term) for term in terms])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equals_the_formulas_cell_by_cell(smoothing):
    case = random_case(3, [5, 0, 8])
    np.testing.assert_allclose(our_loss(*case, smoothing), dense_loss(*case, smoothing)[:4], rtol=1e-4)


@pytest.mark.parametrize("measure", ["giou", "ciou"])
def test_iou_losses_replace_centre_and_size(measure):
    case = random_case(4, [5, 0, 8])
    expected = dense_loss(*case, measure=measure)
    np.testing.assert_allclose(our_loss(*case, box_loss=measure), expected[[4, 2, 3]], rtol=1e-4)
    assert loss_of(box_loss=measure).term_names == ("box", "confidence", "class")


@pytest.mark.parametrize("box_loss", ["published", "ciou"])
def test_the_confidence_may_learn_the_iou(box_loss):
    case = random_case(4, [5, 0, 8])
    plain, expected = dense_loss(*case)[2], dense_loss(*case, has_iou_target=True)[2]
    assert our_loss(*case, box_loss=box_loss, objectness_target="iou")[-2] == pytest.approx(expected, rel=1e-4)
    assert abs(plain - expected) > 0.1


def test_factors_multiply_the_terms():
    case = random_case(3, [5, 0, 8])
    weighted = our_loss(*case, box_weight=2.0, objectness_weight=3.0, class_weight=5.0)
    np.testing.assert_allclose(weighted, our_loss(*case) * (2, 2, 3, 5), rtol=1e-6)
    weighted = our_loss(*case, box_loss="giou", box_weight=2.0, objectness_weight=3.0)
    np.testing.assert_allclose(weighted, our_loss(*case, box_loss="giou") * (2, 3, 1), rtol=1e-6)


@pytest.mark.parametrize(
    ("smoothing", "targets"),
    [(0.0, (1, 0, 0)), (0.0, (1, 0)), (0.0, (1,)), (0.2, (0.8, 0.1, 0.1)), (0.2, (0.8, 0.2)), (0.2, (0.8,))],
)
def test_class_targets_of_any_number_of_classes(smoothing, targets):
    """Smoothing is shared by the other classes, and off unless asked for."""
    logits = (1.5, -0.5, 0.75)[: len(targets)]
    raw_maps = [np.zeros((1, 3, 5 + len(targets), SIZE[0] // s, SIZE[1] // s), np.float32) for s in (8, 16, 32)]
    for raw in raw_maps:
        raw[:, :, 5:] = np.reshape(logits, (-1, 1, 1))
    boxes = np.array([[20, 20, 60, 50]], np.float32)
    targets_of_image = assign_targets(boxes, np.array([0]), SIZE, ANCHORS, 3)
    stacked = [Tensor(np.array(value)[None]) for value in vars(targets_of_image).values()]
    flat = tuple(Tensor(raw.reshape(1, -1, *raw.shape[3:])) for raw in raw_maps)
    grid = Tensor(np.array(prediction_grid(SIZE, ANCHORS)))
    classes = loss_of(len(targets), smoothing)(flat, grid, *stacked)[3]
    assert float(classes) == pytest.approx(sum(map(cross_entropy, logits, targets)), rel=1e-5)


def predicted_boxes(raw_maps, image):
    """Boxes of an image's predictions that lie inside the input, float [M, 4] in pixels."""
    boxes = []
    for scale, stride in enumerate((8, 16, 32)):
        rows, columns = SIZE[0] // stride, SIZE[1] // stride
        raw = raw_maps[scale][image].reshape(3, 5 + CLASSES, rows, columns)
        for anchor, row, column in np.ndindex(3, rows, columns):
            tx, ty, tw, th = raw[anchor, :4, row, column].astype(float)
            x, y = (sigmoid(tx) + column) * stride, (sigmoid(ty) + row) * stride
            w, h = np.array(ANCHORS[3 * scale + anchor]) * np.exp([tw, th])
            if w / 2 <= x <= SIZE[1] - w / 2 and h / 2 <= y <= SIZE[0] - h / 2:
                boxes.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    return np.array(boxes)


def test_predictions_near_the_truth_are_ignored_as_in_the_formulas():
    """The truth is a share of the predictions, a little moved, so that many overlap it by about 0.7."""
    rng = np.random.default_rng(8)
    raw_maps, _, _ = random_case(8, [8, 8])
    boxes = []
    for image in range(2):
        predicted = predicted_boxes(raw_maps, image)
        chosen = predicted[rng.choice(len(predicted), 8, replace=False)]
        size = np.tile(chosen[:, 2:] - chosen[:, :2], 2)
        moved = chosen + size * rng.uniform(-0.08, 0.08, chosen.shape)
        boxes.append(np.clip(moved, 0, (SIZE[1], SIZE[0], SIZE[1], SIZE[0])).astype(np.float32))
    labels = [rng.integers(0, CLASSES, 8) for _ in range(2)]
    expected = dense_loss(raw_maps, boxes, labels)[:4]
    np.testing.assert_allclose(our_loss(raw_maps, boxes, labels, 0.0), expected, rtol=1e-5)
    # Other limits give other losses, by far more than the tolerance.
    limits = [dense_loss(raw_maps, boxes, labels, 0.0, limit)[2] for limit in (0.6, 0.7, 0.8, 2)]
    assert np.diff(limits).min() > 0.1


def test_a_prediction_that_already_overlaps_is_not_pushed_down():
    raw_maps, boxes, labels = random_case(0, [1])
    for raw in raw_maps:
        raw[:] = 0
    # With zero logits the anchor 116x90 of stride 32 lies centred in its cell. A box like it, centred on the border of
    # two cells, is 16 px off both: IoU (116 - 16) / (116 + 16) = 0.76. The right cell answers, the left is ignored.
    boxes[0] = np.array([[64 - 58, 48 - 45, 64 + 58, 48 + 45]], np.float32)
    confidence = our_loss(raw_maps, boxes, labels, 0.0)[2]
    predictions = sum(3 * (SIZE[0] // s) * (SIZE[1] // s) for s in (8, 16, 32))
    assert confidence == pytest.approx((predictions - 1) * np.log(2), rel=1e-5)


@pytest.mark.parametrize("target", ["one", "iou"])
def test_no_gradient_of_the_confidence_flows_into_the_boxes(target):
    raw_maps, boxes, labels = random_case(5, [3])
    targets = assign_targets(boxes[0], labels[0], SIZE, ANCHORS, 8)
    stacked = [Tensor(np.array(value)[None]) for value in vars(targets).values()]
    grid = Tensor(np.array(prediction_grid(SIZE, ANCHORS)))
    loss = loss_of(objectness_target=target)

    def confidence_loss(raw_8, raw_16, raw_32):
        return loss((raw_8, raw_16, raw_32), grid, *stacked)[2]

    gradients = mindspore.grad(confidence_loss, grad_position=(0, 1, 2))(*map(Tensor, raw_maps))
    for gradient in gradients:
        by_field = gradient.asnumpy().reshape(3, 5 + CLASSES, -1)
        assert np.abs(by_field[:, 4]).max() > 0
        assert np.abs(np.delete(by_field, 4, axis=1)).max() == 0
