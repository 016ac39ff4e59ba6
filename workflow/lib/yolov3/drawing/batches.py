"""Draw a batch of training data as the network sees it: augmented images, true boxes, and the anchors for them."""

from dataclasses import fields

import numpy as np
from PIL import ImageDraw

from yolov3.boxes import cxcywh_to_xyxy
from yolov3.drawing.detections import draw_boxes, enlarged
from yolov3.network.grid import prediction_grid, predictions_per_stride
from yolov3.network.settings import STRIDES, AnchorSize
from yolov3.training.batches import Batch
from yolov3.training.targets import ImageTargets

MAX_IMAGES, COLUMNS = 8, 4
ANCHOR_COLOUR, GAP_COLOUR, GAP_PIXELS = "#fffc", 255, 6


def draw_batch(batch: Batch, anchors: tuple[AnchorSize, ...], class_names: tuple[str, ...]) -> np.ndarray:
    """Return the first images of a batch in rows, uint8 [H, W, 3].

    Boxes have the colour of their class, their name and the stride that learns them; the anchor of each lies, thin and
    white, around the centre of its cell.

    Args:
        batch: data of a training step.
        anchors: nine (width, height) in pixels of the input.
        class_names: names, indexed by label.
    """
    targets = [
        ImageTargets(
            **{field.name: stack[index] for field, stack in zip(fields(ImageTargets), batch.targets, strict=True)}
        )
        for index in range(min(len(batch.images), MAX_IMAGES))
    ]
    grid = prediction_grid(batch.input_size, anchors)
    ends = np.cumsum(predictions_per_stride(batch.input_size))
    tiles = [
        _draw_image(image, target, grid, ends, class_names)
        for image, target in zip(batch.images, targets, strict=False)
    ]
    height, width = tiles[0].shape[:2]
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (height + GAP_PIXELS), columns * (width + GAP_PIXELS), 3), GAP_COLOUR, np.uint8)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        top, left = row * (height + GAP_PIXELS), column * (width + GAP_PIXELS)
        sheet[top : top + height, left : left + width] = tile
    return sheet[:-GAP_PIXELS, :-GAP_PIXELS]


def _draw_image(
    image: np.ndarray, targets: ImageTargets, grid: np.ndarray, ends: np.ndarray, class_names: tuple[str, ...]
) -> np.ndarray:
    picture, _ = enlarged(image)
    to_pixels = np.array([*picture.size] * 2)
    trained = targets.responsible > 0
    prediction, labels = targets.prediction[trained], targets.label[trained]
    cells = grid[prediction]
    anchor_boxes = np.concatenate([(cells[:, 0:2] + 0.5) / cells[:, 2:4], cells[:, 4:6]], axis=1)
    true_boxes = np.concatenate(
        [
            (targets.offset_xy[trained] + cells[:, 0:2]) / cells[:, 2:4],
            np.exp(targets.log_size_wh[trained]) * cells[:, 4:6],
        ],
        axis=1,
    )
    strides = np.array(STRIDES)[np.searchsorted(ends, prediction, side="right")]
    texts = [(class_names[label], f"/{stride}") for label, stride in zip(labels, strides, strict=True)]
    draw_boxes(picture, cxcywh_to_xyxy(true_boxes) * to_pixels, labels, texts)
    draw = ImageDraw.Draw(picture, "RGBA")
    for box in cxcywh_to_xyxy(anchor_boxes) * to_pixels:
        draw.rectangle(tuple(map(float, box)), outline=ANCHOR_COLOUR)
    return np.asarray(picture)
