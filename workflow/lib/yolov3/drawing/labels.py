"""Choose the colours of classes and the places of labels in pictures with boxes."""

import colorsys

import numpy as np

# Largest share of a picture that labels may cover.
MAX_COVERED_SHARE = 0.25
MAX_LABEL_LETTERS = 28
TEXT_COLOUR = "#111"


def colour_of(label: int) -> str:
    """Return a light, saturated colour for a class as "#rrggbb"; the hue advances by the golden ratio per label."""
    channels = colorsys.hls_to_rgb((0.13 + label * 0.618034) % 1, 0.72, 0.95)
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in channels)


def shortened(text: str, max_letters: int = MAX_LABEL_LETTERS) -> str:
    """Return the text, cut to `max_letters` letters with an ellipsis if it is longer."""
    return text if len(text) <= max_letters else f"{text[: max_letters - 1]}…"


class LabelPlaces:
    """Find places for labels where they neither overlap nor cover more than MAX_COVERED_SHARE of the picture.

    Args:
        width, height: size of the picture, in any unit.
        label_height: height of every label, in the same unit.
    """

    def __init__(self, width: float, height: float, label_height: float) -> None:
        self.width, self.height, self.label_height = width, height, label_height
        self.taken_xyxy = np.empty((0, 4))

    def place(self, label_width: float, left: float, top: float, height: float) -> tuple[float, float] | None:
        """Return left and top of the label of a box, or None if there is no room for it."""
        step = self.label_height
        # Above the box, inside at its top, below it, inside at its bottom, then row by row further down.
        tops = [top - step, top, top + height, top + height - step, *(top + row * step for row in range(1, 6))]
        label_left = float(np.clip(left, 0, max(0.0, self.width - label_width)))
        places = [(label_left, float(np.clip(y, 0, max(0.0, self.height - step)))) for y in tops]
        free = [place for place in places if not self._is_taken(*place, label_width)]
        covered = (self.taken_xyxy[:, 2:] - self.taken_xyxy[:, :2]).prod(axis=1).sum()
        if not free or covered > MAX_COVERED_SHARE * self.width * self.height:
            return None
        x, y = free[0]
        self.taken_xyxy = np.vstack([self.taken_xyxy, [x, y, x + label_width, y + step]])
        return x, y

    def _is_taken(self, left: float, top: float, width: float) -> bool:
        taken = self.taken_xyxy
        is_apart = (taken[:, 0] >= left + width) | (taken[:, 2] <= left)
        is_apart |= (taken[:, 1] >= top + self.label_height) | (taken[:, 3] <= top)
        return not is_apart.all()
