"""Templates of the pages."""

from pathlib import Path

import jinja2

from yolov3.log_lines import duration_text

NONE = "–"


def page_template(name: str) -> jinja2.Template:
    """Return a template of this folder."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"accuracy": accuracy_text, "duration": duration_text, "count": count_text}
    return environment.get_template(name)


def accuracy_text(value: float) -> str:
    """Return an accuracy with three decimals, or a dash for -1, which means no ground truth."""
    return NONE if value < 0 else f"{value:.3f}"


def count_text(value: float) -> str:
    """Return the rounded value with narrow no-break spaces as thousands separators."""
    return f"{round(value):,}".replace(",", "\u202f")
