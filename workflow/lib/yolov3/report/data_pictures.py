"""Pictures of a data set's page: examples of classes, boxes to look at, images that look alike."""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw

from yolov3.data.annotations import CocoSplit
from yolov3.data.images import read_image_rgb
from yolov3.drawing.labels import colour_of
from yolov3.report.data_statistics import BoxOfInterest
from yolov3.report.data_uri import jpeg_uri

HEIGHT = 120
MAX_WIDTH = 240
JPEG_QUALITY = 82
# Share of a box's larger side that is shown around it.
MARGIN = 0.35
MIN_MARGIN_PIXELS = 12


@dataclass(frozen=True)
class SmallPicture:
    """A picture as a JPEG data URI, and what is below it."""

    data_uri: str
    width: int
    height: int
    caption: str


def picture_of_box(split: CocoSplit, box: BoxOfInterest, caption: str) -> SmallPicture:
    """Return a part of an image around a box, which is drawn on it.

    Raises:
        InputError: the image cannot be read.
    """
    image = _read(split, box.index)
    left, top, right, bottom = box.box_xyxy
    margin = max(MIN_MARGIN_PIXELS, MARGIN * max(right - left, bottom - top))
    height, width = image.shape[:2]
    x1, y1 = max(0, int(left - margin)), max(0, int(top - margin))
    x2, y2 = min(width, int(np.ceil(right + margin))), min(height, int(np.ceil(bottom + margin)))
    picture, scale = _scaled(image[y1:y2, x1:x2])
    corners = [round(float(value)) for value in (box.box_xyxy - (x1, y1, x1, y1)) * scale]
    draw = ImageDraw.Draw(picture)
    for around, line, colour in ((2, 4, "black"), (1, 2, colour_of(box.label))):
        outer = [corners[0] - around, corners[1] - around, corners[2] + around, corners[3] + around]
        draw.rectangle(outer, outline=colour, width=line)
    return _small_picture(picture, caption)


def picture_of_image(split: CocoSplit, index: int, caption: str) -> SmallPicture:
    """Return a whole image.

    Raises:
        InputError: it cannot be read.
    """
    return _small_picture(_scaled(_read(split, index))[0], caption)


def _read(split: CocoSplit, index: int) -> np.ndarray:
    width, height = (int(side) for side in split.sizes_wh[index])
    return read_image_rgb(split.path(index), (width, height))


def _scaled(image_rgb: np.ndarray) -> tuple[Image.Image, float]:
    """Return a picture of HEIGHT, or lower if it would be wider than MAX_WIDTH, and the factor."""
    height, width = image_rgb.shape[:2]
    scale = min(HEIGHT / height, MAX_WIDTH / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return Image.fromarray(cv2.resize(np.ascontiguousarray(image_rgb), size, interpolation=how)), scale


def _small_picture(picture: Image.Image, caption: str) -> SmallPicture:
    bgr = np.asarray(picture)[:, :, ::-1]
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return SmallPicture(jpeg_uri(encoded.tobytes()), *picture.size, caption)
