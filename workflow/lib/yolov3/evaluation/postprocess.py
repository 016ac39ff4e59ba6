"""Post-processing in NumPy: decoding, score threshold, class-wise NMS and mapping to the original image."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from yolov3.boxes import Detections, clip_xyxy, cxcywh_to_xyxy
from yolov3.errors import InputError
from yolov3.evaluation.nms import class_wise_nms
from yolov3.network.grid import InputSize, decode_boxes, prediction_grid, sigmoid
from yolov3.network.preprocess import Placement
from yolov3.network.settings import ANCHORS_PER_STRIDE, AnchorSize


@dataclass(frozen=True)
class PostprocessSettings:
    """Settings of the post-processing; the fields are keys of config section `eval`."""

    eval_ignore_threshold: float
    nms_thresh: float
    max_detections: int
    multi_label: bool = False


def select_candidates(
    raw_maps: tuple[np.ndarray, ...],
    input_size: InputSize,
    anchors: tuple[AnchorSize, ...],
    threshold: float,
    multi_label: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Decode the predictions of one image whose score is at least the threshold.

    Args:
        raw_maps: float32 [3 * (5 + C), gh, gw] of strides 8, 16, 32.
        input_size: (height, width) of the network input in pixels.
        anchors: nine (width, height) in pixels of the input.
        threshold: minimum score, where score is confidence * class probability.
        multi_label: whether a prediction is a candidate for every class, instead of its best one.

    Returns:
        boxes_xyxy float32 [M, 4] in 0..1 of the input, scores float32 [M], labels int64 [M].

    Raises:
        InputError: a confidence, or the score or box of a candidate, is NaN.
    """
    # A score is at most its confidence, so comparing confidence logits rejects most predictions.
    min_logit = np.log(threshold / (1 - threshold)) if 0 < threshold < 1 else (-np.inf if threshold <= 0 else np.inf)
    chosen_rows, chosen_indices = [], []
    first = 0
    for raw in raw_maps:
        per_anchor = raw.reshape(ANCHORS_PER_STRIDE, -1, raw.shape[1] * raw.shape[2])
        _refuse_nan(per_anchor[:, 4])
        anchor, cell = np.nonzero(per_anchor[:, 4] >= min_logit)
        chosen_rows.append(per_anchor[anchor, :, cell])
        chosen_indices.append(first + cell * ANCHORS_PER_STRIDE + anchor)
        first += per_anchor.shape[2] * ANCHORS_PER_STRIDE
    rows, indices = np.concatenate(chosen_rows), np.concatenate(chosen_indices)

    kept, labels, scores = _scored(sigmoid(rows[:, 4]), rows[:, 5:], sigmoid, threshold, multi_label)
    boxes_cxcywh = decode_boxes(rows[kept, :4], prediction_grid(input_size, anchors)[indices[kept]])
    return cxcywh_to_xyxy(boxes_cxcywh), scores, labels


def _scored(
    confidences: np.ndarray,
    class_values: np.ndarray,
    to_probability: Callable[[np.ndarray], np.ndarray],
    threshold: float,
    multi_label: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return prediction index, label and score of the predictions, or pairs of prediction and class, that reach it."""
    if multi_label:
        pair_scores = confidences[:, None] * to_probability(class_values)
        _refuse_nan(pair_scores)
        kept, labels = np.nonzero(pair_scores >= threshold)
        return kept, labels, pair_scores[kept, labels]
    labels = class_values.argmax(axis=1)
    scores = confidences * to_probability(np.take_along_axis(class_values, labels[:, None], axis=1)[:, 0])
    _refuse_nan(scores)
    kept = np.flatnonzero(scores >= threshold)
    return kept, labels[kept], scores[kept]


def detect(
    raw_maps: tuple[np.ndarray, ...],
    input_size: InputSize,
    anchors: tuple[AnchorSize, ...],
    placement: Placement,
    settings: PostprocessSettings,
) -> Detections:
    """Return the detections of one image from raw outputs, with boxes in pixels of the original image.

    Args:
        raw_maps, input_size, anchors: see `select_candidates`.
        placement: position of the image in the network input.
    """
    candidates = select_candidates(raw_maps, input_size, anchors, settings.eval_ignore_threshold, settings.multi_label)
    return _suppress(*candidates, placement, settings)


def detect_decoded(
    decoded_maps: tuple[np.ndarray, ...], placement: Placement, settings: PostprocessSettings
) -> Detections:
    """Return the detections of one image as `detect` does, from the outputs of a model that includes the decoder.

    Args:
        decoded_maps: float32 [gh, gw, 3, 5 + C] of strides 8, 16, 32, see `DetectionDecoder`.
        placement: position of the image in the network input.
    """
    rows = np.concatenate([decoded.reshape(-1, decoded.shape[-1]) for decoded in decoded_maps])
    threshold, multi_label = settings.eval_ignore_threshold, settings.multi_label
    kept, labels, scores = _scored(rows[:, 4], rows[:, 5:], lambda values: values, threshold, multi_label)
    return _suppress(cxcywh_to_xyxy(rows[kept, :4]), scores, labels, placement, settings)


def _suppress(
    boxes_xyxy: np.ndarray, scores: np.ndarray, labels: np.ndarray, placement: Placement, settings: PostprocessSettings
) -> Detections:
    _refuse_nan(boxes_xyxy)
    boxes_xyxy = clip_xyxy(placement.to_original(boxes_xyxy), placement.width, placement.height)
    kept = class_wise_nms(boxes_xyxy, scores, labels, settings.nms_thresh)
    kept = kept[: settings.max_detections] if settings.max_detections else kept
    return Detections(boxes_xyxy[kept], scores[kept], labels[kept])


def _refuse_nan(values: np.ndarray) -> None:
    if np.isnan(values).any():
        raise InputError(
            "the network's output is NaN (not a number): train, convert or export it again from weights without NaN or "
            "infinite values"
        )
