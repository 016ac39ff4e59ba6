"""Evaluation during a training, to select the best checkpoint."""

from yolov3.data.annotations import ground_truth, load_split
from yolov3.data.manifest import Manifest
from yolov3.evaluation.coco_metrics import coco_result
from yolov3.evaluation.evaluate import EvaluationSettings, detect_split
from yolov3.network.inference import inference_of
from yolov3.network.yolo import YOLOv3


class Validator:
    """Evaluates a network on the validation images of a data set, with the settings of stage eval_coco."""

    def __init__(self, manifest: Manifest, settings: EvaluationSettings) -> None:
        self.split = load_split(manifest, "val")
        self.truth = ground_truth(manifest, "val")
        self.category_ids = [category.id for category in manifest.categories]
        self.settings = settings

    def __call__(self, network: YOLOv3) -> dict[str, float]:
        """Return the COCO metrics of the network in its current state."""
        result = detect_split(inference_of(network), network.settings, self.split, self.category_ids, self.settings)
        return coco_result(self.truth, result.rows).metrics
