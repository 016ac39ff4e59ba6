"""Compare the AP of runs with that of the first of them: which differences are beyond chance."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from yolov3.data.manifest import Manifest
from yolov3.errors import InputError
from yolov3.evaluation.coco_results import read_results
from yolov3.evaluation.resampling import (
    METRICS,
    ClassMatches,
    average_precisions,
    beyond_chance_together,
    class_matches,
    class_mean,
    interval,
    resampled,
)
from yolov3.evaluation.true_boxes import TrueBoxes
from yolov3.report.run_folders import EVALUATION
from yolov3.report.runs import Run

SAMPLES = 1000
# Classes in fewer images have intervals that are too narrow.
MIN_IMAGES = 10


@dataclass(frozen=True)
class Difference:
    """An AP of the reference and of a run, and the interval in which their difference lies with CONFIDENCE.

    Attributes:
        low, high: None without a paired bootstrap.
        is_beyond_chance: for classes, with CONFIDENCE for all classes together.
    """

    reference: float
    value: float
    low: float | None = None
    high: float | None = None
    is_beyond_chance: bool = False

    @property
    def change(self) -> float:
        """The run minus the reference."""
        return self.value - self.reference

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval exists and 0 is outside of it."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class ClassDifference:
    """Difference of the AP of a class, its number of true boxes, and of images that show it (None if unknown)."""

    name: str
    boxes: int
    images: int | None
    AP: Difference

    @property
    def verdict(self) -> str:
        """What can be said of the difference."""
        if self.AP.low is None:
            return "too few images" if self.images is not None else ""
        if self.AP.is_beyond_chance:
            return "beyond chance"
        return "perhaps" if self.AP.excludes_zero else "within chance"


@dataclass(frozen=True)
class Comparison:
    """A run against the reference.

    Attributes:
        run: name of the run.
        unpaired: why there are no intervals; empty if there are.
        metrics: differences of AP, AP50 and AP75.
        classes: classes with true boxes in both runs, the largest difference first.
        other_classes: classes with true boxes in one of the runs only.
    """

    run: str
    unpaired: str
    metrics: dict[str, Difference]
    classes: tuple[ClassDifference, ...]
    other_classes: tuple[str, ...]

    @property
    def beyond_chance(self) -> list[ClassDifference]:
        """Classes whose difference is beyond chance."""
        return [entry for entry in self.classes if entry.AP.is_beyond_chance]


@dataclass(frozen=True)
class Bootstrap:
    """Bootstrap samples of several runs on the same images.

    Attributes:
        class_names: name of each class.
        images_of_class: int64 [C], number of images that show a class.
        values: METRICS of each class, float64 [R, C, 3].
        samples: the same of each sample, float64 [R, S, C, 3].
    """

    class_names: tuple[str, ...]
    images_of_class: np.ndarray
    values: np.ndarray
    samples: np.ndarray


def compare_runs(
    runs: Sequence[Run], seed: int, on_sample: Callable[[int], Any] = lambda count: None
) -> list[Comparison]:
    """Compare runs with the first one; `on_sample` is called with 1 after each of SAMPLES bootstrap samples.

    Raises:
        InputError: the detections of a run do not fit its data set.
    """
    reference, others = runs[0], runs[1:]
    reasons = {run.name: _unpaired(reference, run) for run in others}
    paired = [reference, *(run for run in others if not reasons[run.name])]
    bootstrap = None
    if len(paired) > 1:
        try:
            bootstrap = _bootstrap(paired, seed, on_sample)
        except _AnnotationsError as error:
            reasons |= {run.name: str(error) for run in paired[1:]}
    comparisons = []
    for run in others:
        if bootstrap and not reasons[run.name]:
            comparisons.append(_paired_comparison(reference, run, bootstrap, paired.index(run)))
        else:
            logging.warning("%s and %s: no intervals, because %s", reference.name, run.name, reasons[run.name])
            comparisons.append(_comparison(reference, run, reasons[run.name]))
    return comparisons


class _AnnotationsError(Exception):
    """The annotations that the runs were evaluated on cannot be read any more; the text says why."""


def _unpaired(reference: Run, run: Run) -> str:
    """Return why the images of two runs cannot be drawn in pairs, or an empty text."""
    manifests = []
    for entry in (reference, run):
        for file in ("data/val.json", f"{EVALUATION}/detections.json"):
            if not (entry.results / file).is_file():
                return f"{entry.name} has no {file}"
        try:
            manifests.append(Manifest.read(entry.results / "data" / "val.json"))
        except InputError as error:
            return str(error)
    first, second = manifests
    if first.categories != second.categories:
        return "the two have different classes"
    if first.split("val").fingerprint != second.split("val").fingerprint:
        return "the two were evaluated on different validation images or annotations"
    return ""


def _bootstrap(runs: Sequence[Run], seed: int, on_sample: Callable[[int], Any]) -> Bootstrap:
    """Match the detections of runs on the same data and draw the samples.

    Raises:
        _AnnotationsError: the annotations are missing, or the results are not of them.
        InputError: a detections file cannot be read.
    """
    manifest = Manifest.read(runs[0].results / "data" / "val.json")
    try:
        truth = TrueBoxes.of_split(manifest, "val")
    except InputError as error:
        raise _AnnotationsError(f"the annotations cannot be read: {error}") from None
    matches: list[list[ClassMatches]] = []
    values = []
    for run in runs:
        matches.append(class_matches(truth, read_results(run.results / EVALUATION / "detections.json", truth.ids)))
        values.append(average_precisions(matches[-1], np.ones(truth.images, np.int64)))
        found, stated = class_mean(values[-1])[0], run.accuracy.numbers["AP"]
        if not np.isclose(np.nan_to_num(found, nan=-1), stated, atol=1e-6):
            raise _AnnotationsError(
                f"the AP of the detections of {run.name} is {found:.4f} by its annotations of today but was "
                f"{stated:.4f}"
            )
    images_of_class = np.array([len(np.unique(of_class.true_images)) for of_class in matches[0]], np.int64)
    samples = resampled(matches, truth.images, SAMPLES, seed, on_sample)
    return Bootstrap(truth.class_names, images_of_class, np.array(values), samples)


def _paired_comparison(reference: Run, run: Run, bootstrap: Bootstrap, index: int) -> Comparison:
    values, samples = bootstrap.values[[0, index]], bootstrap.samples[[0, index]]
    means, mean_changes = class_mean(values), np.diff(class_mean(samples), axis=0)[0]
    metrics = {
        name: _difference(means[0, place], means[1, place], mean_changes[:, place])
        for place, name in enumerate(METRICS)
        if not np.isnan(means[0, place])
    }
    changes = np.diff(samples[..., 0], axis=0)[0]
    images = bootstrap.images_of_class
    is_judged = images >= MIN_IMAGES
    is_beyond = np.zeros(len(images), bool)
    is_beyond[is_judged] = beyond_chance_together(np.diff(values[:, is_judged, 0], axis=0)[0], changes[:, is_judged])
    boxes = {entry.name: entry.boxes for entry in reference.accuracy.per_class}
    classes = []
    for label in np.flatnonzero(images):
        first, second = values[:, label, 0]
        difference = Difference(float(first), float(second))
        if is_judged[label]:
            difference = _difference(first, second, changes[:, label], bool(is_beyond[label]))
        name = bootstrap.class_names[label]
        classes.append(ClassDifference(name, boxes[name], int(images[label]), difference))
    return Comparison(run.name, "", metrics, _sorted(classes), ())


def _difference(reference: float, value: float, changes: np.ndarray, is_beyond: bool | None = None) -> Difference:
    low, high = interval(changes)
    return Difference(
        float(reference), float(value), low, high, not low <= 0 <= high if is_beyond is None else is_beyond
    )


def _comparison(reference: Run, run: Run, reason: str) -> Comparison:
    """Compare without intervals; classes are matched by name."""
    first, second = (
        {entry.name: entry for entry in entry.accuracy.per_class if entry.AP >= 0} for entry in (reference, run)
    )
    numbers = reference.accuracy.numbers, run.accuracy.numbers
    metrics = {
        name: Difference(numbers[0][name], numbers[1][name])
        for name in METRICS
        if all(values[name] >= 0 for values in numbers)
    }
    classes = [
        ClassDifference(name, entry.boxes, None, Difference(entry.AP, second[name].AP))
        for name, entry in first.items()
        if name in second
    ]
    return Comparison(run.name, reason, metrics, _sorted(classes), tuple(sorted(first.keys() ^ second.keys())))


def _sorted(classes: Sequence[ClassDifference]) -> tuple[ClassDifference, ...]:
    return tuple(sorted(classes, key=lambda entry: (-abs(entry.AP.change), entry.name)))
