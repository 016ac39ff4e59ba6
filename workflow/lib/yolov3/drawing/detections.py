"""Draw detections on their image: boxes coloured by class, with class names in any script and scores."""

import logging
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.font_manager import findSystemFonts
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from yolov3.boxes import Detections
from yolov3.drawing.labels import TEXT_COLOUR, LabelPlaces, colour_of, shortened

# Smaller images are enlarged so that the labels are readable.
MIN_SIDE = 480
# Text height as a share of the square root of the picture's area, and its minimum in pixels.
TEXT_SHARE, MIN_TEXT_PIXELS = 1 / 38, 13
OUTLINE_COLOUR = "#0008"


@lru_cache(maxsize=256)
def font_for(text: str, pixels: int) -> ImageFont.FreeTypeFont:
    """Return an installed font that has the characters of `text`, `pixels` high: no single font has all scripts."""
    return ImageFont.truetype(_font_file_for("".join(sorted(set(text)))), pixels)


@lru_cache(maxsize=256)
def _font_file_for(letters: str) -> str:
    # Comes with matplotlib, and has Latin, Greek, Cyrillic and more.
    default_file = str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")
    missing_counts = {default_file: _missing_count(default_file, letters)}
    if missing_counts[default_file]:
        for file in sorted(findSystemFonts()):
            missing_counts[file] = _missing_count(file, letters)
            if not missing_counts[file]:
                return file
        best_file = min(missing_counts, key=lambda file: missing_counts[file])
        missing_letters = "".join(letter for letter in letters if ord(letter) not in _characters(best_file))
        logging.warning("no font on this host has %s: install one, such as package fonts-noto-cjk", missing_letters)
        return best_file
    return default_file


def _missing_count(file: str, letters: str) -> int:
    """Return how many of the letters are missing in a font file; more than all if it cannot be used."""
    characters = _characters(file)
    return sum(ord(letter) not in characters for letter in letters) if characters else len(letters) + 1


@lru_cache(maxsize=4096)
def _characters(file: str) -> frozenset[int]:
    try:
        font = FT2Font(file)
        return frozenset(font.get_charmap()) if font.scalable else frozenset()
    # Which exception a damaged font file raises depends on the version of the library.
    except Exception:
        return frozenset()


def draw_detections(
    image_rgb: np.ndarray, detections: Detections, class_names: tuple[str, ...], min_side: int = MIN_SIDE
) -> np.ndarray:
    """Return the image with its detections drawn on it, the best on top.

    Args:
        image_rgb: uint8 [H, W, 3].
        detections: best first, in pixels of the image.
        class_names: names, indexed by label.
        min_side: minimum length of the picture's longer side in pixels; 1 keeps the size of the image.

    Returns:
        uint8 [k * H, k * W, 3], with the smallest integer k that makes the longer side at least `min_side` pixels.
    """
    picture, factor = enlarged(image_rgb, min_side)
    texts = [
        (class_names[label], f"{score:.2f}") for label, score in zip(detections.labels, detections.scores, strict=True)
    ]
    draw_boxes(picture, detections.boxes_xyxy * factor, detections.labels, texts)
    return np.asarray(picture)


def enlarged(image_rgb: np.ndarray, min_side: int = MIN_SIDE) -> tuple[Image.Image, int]:
    """Return the image as a picture whose longer side has at least `min_side` pixels, and the integer factor."""
    factor = math.ceil(min_side / max(image_rgb.shape[:2]))
    height, width = (factor * side for side in image_rgb.shape[:2])
    return Image.fromarray(image_rgb).resize((width, height), Image.Resampling.BICUBIC), factor


def draw_boxes(
    picture: Image.Image, boxes_xyxy: np.ndarray, labels: np.ndarray, texts: Sequence[tuple[str, str]]
) -> None:
    """Draw boxes coloured by class, the first on top, each with its text as far as there is room.

    Args:
        picture: picture to draw on.
        boxes_xyxy: float [M, 4] in pixels of the picture.
        labels: int [M] class indices.
        texts: M pairs of a name, which is shortened if needed, and what follows it.
    """
    width, height = picture.size
    text_pixels = max(MIN_TEXT_PIXELS, round(TEXT_SHARE * math.sqrt(width * height)))
    line = max(2, text_pixels // 6)
    # Mode RGBA blends colours with an alpha channel.
    draw = ImageDraw.Draw(picture, "RGBA")
    boxes_xyxy = np.clip(boxes_xyxy, 0, (width - 1, height - 1, width - 1, height - 1))
    colours = [colour_of(int(label)) for label in labels]
    for box, colour in zip(boxes_xyxy[::-1], colours[::-1], strict=True):
        left, top, right, bottom = (round(float(value)) for value in box)
        draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=OUTLINE_COLOUR, width=line + 2)
        draw.rectangle((left, top, right, bottom), outline=colour, width=line)
    padding = text_pixels // 3
    # Leaves room for accents and descenders.
    label_height = round(1.4 * text_pixels)
    places = LabelPlaces(width, height, label_height)
    for box, colour, (name, rest) in zip(boxes_xyxy, colours, texts, strict=True):
        text, font = _fitting_text(name, rest, text_pixels, width - 2 * padding)
        text_width = font.getlength(text) + 2 * padding
        if place := places.place(text_width, float(box[0]), float(box[1]), float(box[3] - box[1])):
            x, y = (round(value) for value in place)
            corners = (x, y, x + round(text_width) - 1, y + label_height - 1)
            draw.rounded_rectangle(corners, text_pixels // 5, fill=colour, outline=OUTLINE_COLOUR)
            draw.text((x + padding, y + label_height / 2), text, fill=TEXT_COLOUR, font=font, anchor="lm")


def _fitting_text(name: str, rest: str, pixels: int, max_width: float) -> tuple[str, ImageFont.FreeTypeFont]:
    """Return name and rest, with the name shortened to fit the width, and the font for them."""
    name = shortened(name)
    font = font_for(f"{name} {rest}…", pixels)
    while len(name) > 2 and font.getlength(f"{name} {rest}") > max_width:
        name = shortened(name, len(name) - 1)
    return f"{name} {rest}", font
