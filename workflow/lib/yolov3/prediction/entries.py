"""The entries of predictions.json, one for each image or frame."""

from typing import Any

import numpy as np

from yolov3.boxes import Detections
from yolov3.evaluation.coco_results import coco_rows
from yolov3.export.description import ModelDescription

PREDICTIONS_NAME = "predictions.json"


def prediction_of(file: str, image_rgb: np.ndarray, detections: Detections, model: ModelDescription) -> dict[str, Any]:
    """Return the entry of an image in predictions.json; boxes are rounded to 1/100 pixel, scores to 5 digits."""
    rows = coco_rows(detections, 0).tolist()
    return {
        "file": file,
        "width": image_rgb.shape[1],
        "height": image_rgb.shape[0],
        "detections": [
            {
                "name": model.class_names[int(label)],
                "category_id": model.category_ids[int(label)] if model.category_ids else None,
                "score": score,
                "bbox_xywh": bbox,
            }
            for _, *bbox, score, label in rows
        ],
    }
