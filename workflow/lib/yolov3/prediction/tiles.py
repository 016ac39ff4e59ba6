"""Detection in overlapping tiles of large images: small objects keep their size in pixels of the network input.

The idea is that of SAHI (Akyon et al. 2022, arXiv:2202.06934): the detections of all tiles, and of the whole image, are
merged by NMS in pixels of the image.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from yolov3.boxes import Detections
from yolov3.evaluation.nms import class_wise_nms
from yolov3.network.settings import STRIDES

# Share of a box at a tile's edge that has to lie in a larger box for the two to be the same object; as SAHI's threshold
# of the intersection over the smaller area.
MIN_COVERED_SHARE = 0.5


@dataclass(frozen=True)
class TileSettings:
    """How images are divided.

    Attributes:
        size: width and height of a tile in pixels of the image.
        overlap: overlap of neighbouring tiles, at least 0 and below 1, as a share of `size`.
        whole_image: whether to detect in the whole image too, for objects larger than the overlap.
        nms_thresh: IoU, 0..1, above which the lower-scored of two boxes of a class is dropped.
        input_size: height and width of the network input in pixels.
    """

    size: int
    overlap: float
    whole_image: bool
    nms_thresh: float
    input_size: tuple[int, int]

    @property
    def edge(self) -> float:
        """Distance in pixels of the image up to which a box touches an edge: a cell of the network's finest grid."""
        return self.size * STRIDES[0] / min(self.input_size)


def detect_in_tiles(
    image_rgb: np.ndarray, detect: Callable[[np.ndarray], Detections], settings: TileSettings
) -> Detections:
    """Return the detections of an image, found in its tiles; an image no larger than a tile is not divided.

    An object at the edge of a tile is cut off there but complete in a neighbouring tile if it is smaller than the
    overlap. The IoU of the two boxes may be small, so the cut one is dropped by its share in the larger one first.

    Args:
        image_rgb: uint8 [H, W, 3].
        detect: function from pixels to detections in pixels of them, without a limit of their number.
        settings: see `TileSettings`.
    """
    height, width = image_rgb.shape[:2]
    if max(height, width) <= settings.size:
        return detect(image_rgb)
    found = [detect(image_rgb)] if settings.whole_image else []
    is_cut = [np.zeros(len(detections), bool) for detections in found]
    for top in tile_starts(height, settings.size, settings.overlap):
        for left in tile_starts(width, settings.size, settings.overlap):
            tile = np.ascontiguousarray(image_rgb[top : top + settings.size, left : left + settings.size])
            detections = detect(tile)
            offset = np.array([left, top, left, top], np.float32)
            moved = Detections(detections.boxes_xyxy + offset, detections.scores, detections.labels)
            found.append(moved)
            box_xyxy = offset + np.array([0, 0, tile.shape[1], tile.shape[0]], np.float32)
            is_cut.append(_touches_inner_edge(moved.boxes_xyxy, box_xyxy, (width, height), settings.edge))
    boxes_xyxy = np.concatenate([detections.boxes_xyxy for detections in found])
    scores = np.concatenate([detections.scores for detections in found])
    labels = np.concatenate([detections.labels for detections in found])
    rest = np.flatnonzero(~_is_part_of_larger(boxes_xyxy, labels, np.concatenate(is_cut)))
    kept = rest[class_wise_nms(boxes_xyxy[rest], scores[rest], labels[rest], settings.nms_thresh)]
    return Detections(boxes_xyxy[kept], scores[kept], labels[kept])


def tile_starts(length: int, size: int, overlap: float) -> list[int]:
    """Return the first pixel of each tile along a side; the last tile ends with the image and may overlap more."""
    step = max(1, size - round(size * overlap))
    last = max(0, length - size)
    return [*range(0, last, step), last]


def _touches_inner_edge(
    boxes_xyxy: np.ndarray, tile_xyxy: np.ndarray, size_wh: tuple[int, int], distance: float
) -> np.ndarray:
    """Return bool [M]: whether a box reaches an edge of its tile that is not an edge of the image."""
    is_inner = np.concatenate([tile_xyxy[:2] > 0, tile_xyxy[2:] < size_wh])
    return ((np.abs(boxes_xyxy - tile_xyxy) <= distance) & is_inner).any(axis=1)


def _is_part_of_larger(boxes_xyxy: np.ndarray, labels: np.ndarray, is_cut: np.ndarray) -> np.ndarray:
    """Return bool [M]: whether a cut box lies mostly in a larger box of its class."""
    areas = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1)
    is_part = np.zeros(len(labels), bool)
    for index in np.flatnonzero(is_cut):
        box_xyxy = boxes_xyxy[index]
        larger_xyxy = boxes_xyxy[(labels == labels[index]) & (areas > areas[index])]
        shared_wh = np.minimum(larger_xyxy[:, 2:], box_xyxy[2:]) - np.maximum(larger_xyxy[:, :2], box_xyxy[:2])
        is_part[index] = (np.clip(shared_wh, 0, None).prod(axis=1) > MIN_COVERED_SHARE * areas[index]).any()
    return is_part
