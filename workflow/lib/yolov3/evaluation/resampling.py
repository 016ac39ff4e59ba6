"""Bootstrap of average precision over images: how far it would differ with other validation images.

An image that is drawn twice counts twice (Efron 1979, The Annals of Statistics 7). Detections and true boxes are
matched once; a draw only gives each image another weight, which takes far less time than evaluating copies of images.
`hotcoco.compare` counts an image that is drawn twice only once, so its intervals are about a fifth too narrow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from yolov3.evaluation.coco_metrics import IOU_50, IOU_75
from yolov3.evaluation.matching import match_detections
from yolov3.evaluation.true_boxes import TrueBoxes

METRICS = ("AP", "AP50", "AP75")
# The two axes of the COCO evaluation.
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
CONFIDENCE = 0.95
DIGITS = 12


@dataclass(frozen=True)
class ClassMatches:
    """Matches of a class at each of IOU_THRESHOLDS.

    Attributes:
        images: int64 [M], image of each detection, the best score first.
        true_images: int64 [G], image of each true box that is not a crowd.
        correct: places of the correct detections in `images`.
        ignored: places of the detections on a crowd.
    """

    images: np.ndarray
    true_images: np.ndarray
    correct: tuple[np.ndarray, ...]
    ignored: tuple[np.ndarray, ...]

    def average_precisions(self, times: np.ndarray) -> np.ndarray:
        """Return AP, AP50 and AP75, NaN if no true box is drawn.

        Args:
            times: int64 [N], how many times each image is drawn.
        """
        boxes = times[self.true_images].sum()
        if not boxes:
            return np.full(len(METRICS), np.nan)
        drawn = times[self.images]
        counts = np.cumsum(drawn)
        precisions = np.zeros(len(IOU_THRESHOLDS))
        for threshold, (correct, ignored) in enumerate(zip(self.correct, self.ignored, strict=True)):
            evaluated = counts[correct]
            if len(ignored):
                ignored_counts = np.concatenate([[0], np.cumsum(drawn[ignored])])
                evaluated = evaluated - ignored_counts[np.searchsorted(ignored, correct)]
            true_positives = np.cumsum(drawn[correct])
            # Nothing is evaluated before the first detection that is drawn.
            precision = true_positives / np.maximum(evaluated, 1)
            envelope = np.maximum.accumulate(precision[::-1])[::-1]
            places = np.searchsorted(true_positives / boxes, RECALLS)
            precisions[threshold] = envelope[places[places < len(envelope)]].sum() / len(RECALLS)
        # Rounded, because equal AP whose last bits differ would be a difference in every sample.
        return np.round([precisions.mean(), precisions[IOU_50], precisions[IOU_75]], DIGITS)


def class_matches(truth: TrueBoxes, rows: np.ndarray) -> list[ClassMatches]:
    """Match detections, float64 [M, 7] (see `coco_results.coco_rows`), and return the matches of each class."""
    # In the order of pycocotools: equal scores by image.
    rows = rows[np.lexsort((rows[:, 0], -rows[:, 5]))]
    matches = [match_detections(truth, rows, threshold) for threshold in IOU_THRESHOLDS]
    image_index = rows[:, 0].astype(np.int64)
    of_classes = []
    for label in range(len(truth.class_names)):
        of_class = np.flatnonzero(rows[:, 6] == label)
        of_classes.append(
            ClassMatches(
                image_index[of_class],
                truth.image_index[(truth.labels == label) & ~truth.is_crowd],
                tuple(np.flatnonzero(match.is_correct[of_class]) for match in matches),
                tuple(np.flatnonzero(match.is_ignored[of_class]) for match in matches),
            )
        )
    return of_classes


def average_precisions(matches: Sequence[ClassMatches], times: np.ndarray) -> np.ndarray:
    """Return METRICS of each class, float64 [C, 3], see `ClassMatches.average_precisions`."""
    return np.array([of_class.average_precisions(times) for of_class in matches]).reshape(-1, len(METRICS))


def resampled(
    runs: Sequence[Sequence[ClassMatches]],
    images: int,
    samples: int,
    seed: int,
    on_sample: Callable[[int], Any] = lambda count: None,
) -> np.ndarray:
    """Return METRICS of each class with images drawn at random, the same images for all runs.

    Args:
        runs: matches of each run, all with the same true boxes.
        images: number of images; a sample draws as many, with replacement.
        on_sample: called with 1 after each sample.

    Returns:
        float64 [R, samples, C, 3], NaN where a sample has no true box of a class.
    """
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(samples):
        times = np.bincount(rng.integers(images, size=images), minlength=images)
        values.append([average_precisions(matches, times) for matches in runs])
        on_sample(1)
    return np.swapaxes(np.array(values), 0, 1)


def class_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over the classes [..., C, 3] that have a true box, as the COCO metrics, NaN if none has one."""
    is_present = ~np.isnan(values)
    count = is_present.sum(axis=-2)
    total = np.where(is_present, values, 0).sum(axis=-2)
    return np.where(count, total / np.maximum(count, 1), np.nan)


def interval(samples: np.ndarray) -> tuple[float, float]:
    """Return the bounds between which CONFIDENCE of the samples [S] lie; NaN are left out."""
    low, high = np.nanquantile(samples, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def beyond_chance_together(values: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Return which of several differences are not 0, with CONFIDENCE that all of these statements are right.

    Of many intervals, some exclude 0 by chance. Here the bound is the quantile of the largest deviation of all, in
    units of their standard errors (max-T; Westfall and Young 1993, Resampling-Based Multiple Testing).

    Args:
        values: differences, float64 [C].
        samples: float64 [S, C], the same of each bootstrap sample; NaN are left out.

    Returns:
        bool [C].
    """
    if not len(values):
        return np.zeros(0, bool)
    errors = np.round(np.nanstd(samples, axis=0), DIGITS)
    deviations = np.abs(samples - values) / np.where(errors > 0, errors, np.inf)
    largest = np.where(np.isnan(deviations), 0, deviations).max(axis=1)
    return np.abs(values) > np.quantile(largest, CONFIDENCE) * errors
