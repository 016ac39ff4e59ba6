"""A font of this host that can write a given text: OpenCV's has ASCII only, and no one font has all scripts."""

import logging
from functools import lru_cache
from pathlib import Path

import matplotlib
from matplotlib.font_manager import findSystemFonts
from matplotlib.ft2font import FT2Font
from PIL import ImageFont


@lru_cache(maxsize=256)
def font_for(text: str, pixels: int) -> ImageFont.FreeTypeFont:
    """Return a font in which `text` can be written, `pixels` high."""
    return ImageFont.truetype(_font_file_for("".join(sorted(set(text)))), pixels)


@lru_cache(maxsize=256)
def _font_file_for(letters: str) -> str:
    # Comes with matplotlib, and has Latin, Greek, Cyrillic and more.
    usual = str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")
    missing = {usual: _missing(usual, letters)}
    if missing[usual]:
        for file in sorted(findSystemFonts()):
            missing[file] = _missing(file, letters)
            if not missing[file]:
                return file
        best = min(missing, key=lambda file: missing[file])
        lacked = "".join(letter for letter in letters if ord(letter) not in _characters(best))
        logging.warning("no font of this host has %s: install one, such as the package fonts-noto-cjk", lacked)
        return best
    return usual


def _missing(file: str, letters: str) -> int:
    """Return how many of the letters a font file lacks; of one that cannot be used, more than all."""
    known = _characters(file)
    return sum(ord(letter) not in known for letter in letters) if known else len(letters) + 1


@lru_cache(maxsize=4096)
def _characters(file: str) -> frozenset[int]:
    try:
        font = FT2Font(file)
        return frozenset(font.get_charmap()) if font.scalable else frozenset()
    # What a damaged or foreign font file raises depends on the library.
    except Exception:
        return frozenset()
