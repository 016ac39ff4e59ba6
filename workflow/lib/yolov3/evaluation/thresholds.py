"""Precision, recall and F1 of detections against the score from which they count, and the score of the best F1."""

from dataclasses import dataclass

import numpy as np

from yolov3.evaluation.matching import Matches
from yolov3.evaluation.true_boxes import TrueBoxes

# Scores of the curves.
CURVE_SCORES = np.linspace(0, 1, 101)
# A threshold is rounded down to this, so that the detection that gave it counts.
SCORE_STEP = 0.001


@dataclass(frozen=True)
class OperatingPoint:
    """Precision, recall and their harmonic mean F1 of the detections with at least a score."""

    score: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ScoredMatches:
    """Detections by descending score, of all classes or of one.

    Attributes:
        scores: float64 [M].
        is_correct: bool [M].
        objects: number of true boxes.
    """

    scores: np.ndarray
    is_correct: np.ndarray
    objects: int

    @classmethod
    def of(cls, truth: TrueBoxes, rows: np.ndarray, matches: Matches, label: int | None = None) -> "ScoredMatches":
        """Select the detections of a class (None: of all) that are not ignored."""
        is_chosen = ~matches.is_ignored if label is None else ~matches.is_ignored & (rows[:, 6] == label)
        is_object = ~truth.is_crowd if label is None else ~truth.is_crowd & (truth.labels == label)
        order = np.argsort(-rows[is_chosen, 5], kind="stable")
        return cls(rows[is_chosen, 5][order], matches.is_correct[is_chosen][order], int(is_object.sum()))

    def precision_recall(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return precision and recall of the best `counts` detections, float64 of its shape; no detection has 0."""
        correct = np.concatenate([[0], np.cumsum(self.is_correct)])[counts]
        return correct / np.maximum(counts, 1), correct / max(self.objects, 1)

    def curves(self) -> dict[str, np.ndarray]:
        """Return "score" (CURVE_SCORES), "precision", "recall" and "f1", float64 [101]."""
        precision, recall = self.precision_recall(np.searchsorted(-self.scores, -CURVE_SCORES, side="right"))
        return {"score": CURVE_SCORES, "precision": precision, "recall": recall, "f1": _f1(precision, recall)}

    def best(self) -> OperatingPoint | None:
        """Return the point of the largest F1, the one of the highest score if several have it; None without a match."""
        if not self.is_correct.any():
            return None
        # Detections of equal scores count together.
        counts = np.flatnonzero(np.append(np.diff(self.scores) != 0, True)) + 1
        precision, recall = self.precision_recall(counts)
        f1 = _f1(precision, recall)
        best = int(f1.argmax())
        score = float(np.floor(self.scores[counts[best] - 1] / SCORE_STEP + 1e-9) * SCORE_STEP)
        return OperatingPoint(round(score, 3), float(precision[best]), float(recall[best]), float(f1[best]))


def _f1(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    return 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
