"""Random scenes of true boxes and detections, in the forms of the evaluation."""

from typing import Any

import numpy as np


def random_scene(seed: int, images: int = 12, has_crowds: bool = True) -> tuple[dict[str, Any], np.ndarray]:
    """Return a COCO data set of four classes and detections of it as rows, many of which are right.

    One class has no boxes; over 100 detections of a class are in an image; scores have one digit, so that many are
    equal.
    """
    rng = np.random.default_rng(seed)
    boxes, detections = [], []
    for index in range(images):
        for _ in range(rng.integers(0, 9)):
            label = int(rng.integers(3))
            box_xywh = np.concatenate([rng.uniform(0, 90, 2), rng.uniform(5, 100, 2)]).round(2)
            boxes.append((index, label, box_xywh, int(has_crowds and rng.random() < 0.1)))
            for _ in range(rng.integers(0, 4)):
                found = np.maximum(box_xywh + rng.normal(0, 5, 4), 1).round(2)
                seen = label if rng.random() < 0.8 else int(rng.integers(4))
                detections.append([index, *found, round(float(rng.uniform()), 1), seen])
    detections += [[1, *rng.uniform(0, 90, 2), *rng.uniform(5, 100, 2), 0.2, 0] for _ in range(120)]
    truth = {
        "info": {},
        "images": [{"id": 10 * index, "width": 200, "height": 200} for index in range(images)],
        "categories": [{"id": 3 * label + 1, "name": name} for label, name in enumerate("abcd")],
        "annotations": [
            {
                "id": number,
                "image_id": 10 * index,
                "category_id": 3 * label + 1,
                "bbox": box_xywh.tolist(),
                "area": float(box_xywh[2:].prod()),
                "iscrowd": crowd,
            }
            for number, (index, label, box_xywh, crowd) in enumerate(boxes, 1)
        ],
    }
    return truth, np.array(detections)
