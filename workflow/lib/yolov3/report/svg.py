"""Charts as inline SVG: text stays text, colours follow the page's light or dark scheme.

A figure is about as wide as a phone's screen, so that its text keeps its size there; wider pages put several side by
side.
"""

import io
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

# Inches of 72 SVG units.
WIDTH = 4.1
HEIGHT = 2.9
# Placeholders for the page's colours, since matplotlib does not support CSS variables.
INK, LINE = "#010203", "#040506"
PAGE_COLOURS = {INK: "var(--ink)", LINE: "var(--line)"}
# Distinguishable with colour blindness, readable on white and on black (Okabe and Ito's set, adjusted in lightness).
COLOURS = ("#2f7ed8", "#e0751a", "#0f9d73", "#b55fc0", "#c9950c", "#d6455d", "#5b6ee1", "#4f9bb3", "#8a7a5c", "#7d8791")
LEGEND = {"loc": "outside upper center"}

SETTINGS = {
    "svg.hashsalt": "yolov3",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 11.5,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.frameon": False,
    "legend.fontsize": 11,
    "lines.linewidth": 1.8,
}


def svg_chart(name: str, text: str, draw: Callable[..., None], *arguments: Any, height: float = HEIGHT) -> Markup:
    """Call `draw(axes, *arguments)` and return the SVG element; `name` prefixes its ids to keep them unique."""
    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        # Class names may have letters that are missing in the font used for layout; the reader's fonts have them.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        draw(axes, *arguments)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    # An element of a page has no namespaces, metadata and style sheet.
    root = ElementTree.fromstring(stream.getvalue())
    for parent in list(root.iter()):
        parent.tag = parent.tag.rpartition("}")[2]
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)
        attributes = {key.rpartition("}")[2]: value for key, value in parent.attrib.items()}
        parent.attrib = {key: _attribute(key, value, name) for key, value in attributes.items()}
    # The page sets the size; the view box keeps the proportions.
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.attrib.update({"class": "chart", "role": "img", "aria-label": text})
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _attribute(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return value.replace("#", f"#{name}-", 1)
    value = value.replace("url(#", f"url(#{name}-")
    for placeholder, colour in PAGE_COLOURS.items():
        value = value.replace(placeholder, colour)
    return value
