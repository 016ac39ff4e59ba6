"""A few drawn images in COCO format, for tests."""

import json

import cv2
import numpy as np


def write_small_coco(folder, images=5, boxes_per_image=2, seed=0, empty_images=0):
    """Write PNG images with white boxes under `folder`, the last without; return (image folder, annotation file)."""
    rng = np.random.default_rng(seed)
    image_dir = folder / "images"
    image_dir.mkdir(parents=True)
    dataset = {"images": [], "annotations": [], "categories": [{"id": 3, "name": "a"}, {"id": 9, "name": "b"}]}
    for number in range(1, images + empty_images + 1):
        width, height = (int(side) for side in rng.integers(80, 160, 2))
        image = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
        for _ in range(boxes_per_image if number <= images else 0):
            w, h = (int(side) for side in rng.integers(15, 40, 2))
            x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
            image[y : y + h, x : x + w] = 255
            dataset["annotations"].append(
                {
                    "id": len(dataset["annotations"]) + 1,
                    "image_id": number,
                    "category_id": int(rng.choice([3, 9])),
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                }
            )
        name = f"{number:06d}.png"
        cv2.imwrite(str(image_dir / name), image)
        dataset["images"].append({"id": number, "file_name": name, "width": width, "height": height})
    annotations = folder / "annotations.json"
    annotations.write_text(json.dumps(dataset), encoding="utf-8")
    return image_dir, annotations
