"""Preprocessing of images for the network, shared by evaluation, calibration and deployment."""

from dataclasses import dataclass

import cv2
import numpy as np

from yolov3.network.grid import InputSize
from yolov3.network.settings import MeanStd

CANVAS_GREY = 128


@dataclass(frozen=True)
class Placement:
    """Position of an image in the network input, for mapping boxes back to the image.

    Attributes:
        width, height: size of the original image in pixels.
        offset_xy: left and top edge of the image, in 0..1 of the input.
        share_xy: width and height of the image, in 0..1 of the input.
    """

    width: int
    height: int
    offset_xy: tuple[float, float] = (0.0, 0.0)
    share_xy: tuple[float, float] = (1.0, 1.0)

    def to_original(self, boxes_xyxy: np.ndarray) -> np.ndarray:
        """Convert [..., 4] corners in 0..1 of the network input to pixels of the original image."""
        offset = np.array(self.offset_xy * 2, dtype=boxes_xyxy.dtype)
        scale = np.array((self.width, self.height), dtype=boxes_xyxy.dtype) / self.share_xy
        return (boxes_xyxy - offset) * np.concatenate([scale, scale]).astype(boxes_xyxy.dtype)


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize uint8 [H, W, 3]: by area averages (no aliasing) if neither side grows, else bilinearly."""
    is_smaller = width <= image.shape[1] and height <= image.shape[0]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR)


def place_image(image_rgb: np.ndarray, input_size: InputSize, letterbox: bool) -> tuple[np.ndarray, Placement]:
    """Fit an image into the network input.

    Args:
        image_rgb: uint8 [H, W, 3].
        input_size: (height, width) of the network input in pixels.
        letterbox: whether to keep the aspect ratio and pad with grey instead of stretching the image to the input.

    Returns:
        The input, uint8 [height, width, 3], and the placement of the image in it.
    """
    original_height, original_width = image_rgb.shape[:2]
    height, width = input_size
    if not letterbox:
        return resize(image_rgb, width, height), Placement(original_width, original_height)
    scale = min(width / original_width, height / original_height)
    inner_width, inner_height = (max(1, round(side * scale)) for side in (original_width, original_height))
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    canvas = np.full((height, width, 3), CANVAS_GREY, np.uint8)
    canvas[top : top + inner_height, left : left + inner_width] = resize(image_rgb, inner_width, inner_height)
    placement = Placement(
        original_width, original_height, (left / width, top / height), (inner_width / width, inner_height / height)
    )
    return canvas, placement


def normalise(image_rgb: np.ndarray, mean_std: MeanStd) -> np.ndarray:
    """Convert uint8 [H, W, 3] to float32 [3, H, W]: (x / 255 - mean) / std."""
    mean = np.array(mean_std.mean_rgb, np.float32) * 255
    scale = np.float32(1) / (np.array(mean_std.std_rgb, np.float32) * 255)
    planes = np.empty((3, *image_rgb.shape[:2]), np.float32)
    for channel in range(3):
        np.subtract(image_rgb[..., channel], mean[channel], out=planes[channel])
        planes[channel] *= scale[channel]
    return planes
