"""Evaluation during a training, to select the best checkpoint."""

from collections.abc import Callable

import numpy as np

from yolov3.data.annotations import load_split
from yolov3.data.manifest import Manifest
from yolov3.evaluation.coco_metrics import coco_result
from yolov3.evaluation.evaluate import EvaluationSettings, detect_split
from yolov3.evaluation.true_boxes import TrueBoxes
from yolov3.network.inference import inference_of
from yolov3.network.yolo import YOLOv3


class Validator:
    """Evaluates a network on the validation images of a data set, with the settings of stage eval_coco.

    Args:
        manifest: the data set.
        settings: settings of the evaluation.
        share: (k, n), the share of rank k of n, see `detect_split`.
        gather: function that takes the bytes of each rank and returns those of all.
    """

    def __init__(
        self,
        manifest: Manifest,
        settings: EvaluationSettings,
        share: tuple[int, int] = (0, 1),
        gather: Callable[[bytes], list[bytes]] = lambda data: [data],
    ) -> None:
        self.split = load_split(manifest, "val")
        # Metrics are computed by rank 0 only.
        self.truth = TrueBoxes.of_split(manifest, "val") if share[0] == 0 else None
        self.settings = settings
        self.share = share
        self.gather = gather

    def __call__(self, network: YOLOv3) -> dict[str, float]:
        """Return AP and AP50 of the network in its current state; every rank must call it."""
        infer = inference_of(network)
        result = detect_split(infer, network.settings, self.split, self.settings, share=self.share)
        parts = [np.frombuffer(data).reshape(-1, 7) for data in self.gather(result.rows.tobytes())]
        accuracy = b""
        if self.truth is not None:
            rows = np.concatenate(parts)
            metrics = coco_result(self.truth, rows[np.argsort(rows[:, 0], kind="stable")]).metrics
            accuracy = np.array([metrics["AP"], metrics["AP50"]]).tobytes()
        ap, ap50 = np.frombuffer(self.gather(accuracy)[0]).tolist()
        return {"AP": ap, "AP50": ap50}
