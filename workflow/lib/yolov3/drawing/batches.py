"""Draw batches of training data as the network sees them: augmented images, true boxes, and the anchors for them."""

import cv2
import numpy as np
from PIL import Image, ImageDraw

from yolov3.boxes import cxcywh_to_xyxy
from yolov3.drawing.detections import draw_boxes, enlarged, font_for
from yolov3.network.grid import prediction_grid, predictions_per_stride
from yolov3.network.settings import STRIDES, AnchorSize
from yolov3.training.batches import Batch, BatchSource
from yolov3.training.targets import ImageTargets

# At least so many batches, and so many images of all.
MIN_BATCHES, MIN_IMAGES = 3, 8
# Images of a batch, which lie side by side.
COLUMNS = 4
ANCHOR_COLOUR, GAP_COLOUR, GAP_PIXELS = "#fffc", 255, 6
HEADING_COLOUR, HEADING_PIXELS, HEADING_TEXT_PIXELS = "#1c2430", 40, 28
JPEG_QUALITY = 85


def preview_jpeg(source: BatchSource, class_names: tuple[str, ...], max_width: int | None = None) -> bytes:
    """Return a picture of the first batches of a training as JPEG, see `draw_batches`, shrunk to `max_width` pixels."""
    sheet = draw_batches(first_batches(source), source.anchors, class_names)
    if max_width and sheet.shape[1] > max_width:
        height = round(sheet.shape[0] * max_width / sheet.shape[1])
        sheet = cv2.resize(sheet, (max_width, height), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", sheet[:, :, ::-1], (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
    return encoded.tobytes()


def first_batches(source: BatchSource) -> list[Batch]:
    """Return the first COLUMNS images of MIN_BATCHES batches from step 0 on, or of more to have MIN_IMAGES images."""
    sampler = source.new_sampler()
    count = max(MIN_BATCHES, -(-MIN_IMAGES // source.sampler.batch_size))
    batches = []
    for step in range(count):
        epoch, indices, repeats = sampler.batch(step)
        # An image of a batch does not depend on the others.
        batches.append(source.build(step, epoch, indices[:COLUMNS], repeats[:COLUMNS], sampler.input_size(step)))
    return batches


def draw_batches(batches: list[Batch], anchors: tuple[AnchorSize, ...], class_names: tuple[str, ...]) -> np.ndarray:
    """Return batches of steps 0, 1 and so on, each in a row below its step, uint8 [H, W, 3].

    Small batches of equal size share a row. Boxes have the colour of their class, their name and the stride that
    learns them; the anchor of each lies, thin and white, around the centre of its cell.

    Args:
        batches: data of the steps, at most COLUMNS images each.
        anchors: nine (width, height) in pixels of the input.
        class_names: names, indexed by label.
    """
    parts = [_draw_batch(batch, f"step {step}", anchors, class_names) for step, batch in enumerate(batches)]
    in_a_row = COLUMNS // len(batches[0].images)
    rows = [_joined(parts[first : first + in_a_row], axis=1) for first in range(0, len(parts), in_a_row)]
    return _joined(rows, axis=0)


def _draw_batch(
    batch: Batch, heading: str, anchors: tuple[AnchorSize, ...], class_names: tuple[str, ...]
) -> np.ndarray:
    grid = prediction_grid(batch.input_size, anchors)
    ends = np.cumsum(predictions_per_stride(batch.input_size))
    targets = [ImageTargets(*stacks) for stacks in zip(*batch.targets, strict=True)]
    tiles = [
        _draw_image(image, target, grid, ends, class_names) for image, target in zip(batch.images, targets, strict=True)
    ]
    images = _joined(tiles, axis=1)
    strip = Image.new("RGB", (images.shape[1], HEADING_PIXELS), "white")
    font = font_for(heading, HEADING_TEXT_PIXELS)
    ImageDraw.Draw(strip).text((0, HEADING_PIXELS / 2), heading, fill=HEADING_COLOUR, font=font, anchor="lm")
    return np.concatenate([np.asarray(strip), images])


def _joined(pictures: list[np.ndarray], axis: int) -> np.ndarray:
    """Return pictures, uint8 [H, W, 3], below (axis 0) or beside (axis 1) each other, with gaps between them."""
    other = 1 - axis
    side = max(picture.shape[other] for picture in pictures)
    padded = []
    for picture in pictures:
        margins = [(0, 0)] * 3
        margins[axis], margins[other] = (0, GAP_PIXELS), (0, side - picture.shape[other])
        padded.append(np.pad(picture, margins, constant_values=GAP_COLOUR))
    joined = np.concatenate(padded, axis=axis)
    return joined[:-GAP_PIXELS] if axis == 0 else joined[:, :-GAP_PIXELS]


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
