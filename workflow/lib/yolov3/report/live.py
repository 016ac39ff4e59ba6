"""The page of a running training: one self-contained HTML file that a browser loads again by itself until the end.

Nothing here may end a training or change its result: errors give one warning, and writing is limited to a share of the
training's time.
"""

import base64
import csv
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import numpy as np
from markupsafe import Markup, escape

from yolov3.errors import first_line
from yolov3.files import write_text
from yolov3.log_lines import duration_text
from yolov3.report.data import ValidationPoint
from yolov3.report.plots import training_charts
from yolov3.report.templates import NONE, accuracy_text, count_text, page_template
from yolov3.terminal import RESULT
from yolov3.training.watching import Moment

PAGE_NAME = "training.html"
# Time between two versions of the page, and after which a browser loads it again.
REFRESH_SECONDS = 5
# Shares of the training's time for writing the page and for drawing its charts, which takes about 0.4 s.
WRITING_SHARE, DRAWING_SHARE = 0.001, 0.004
MAX_POINTS = 500
PREVIEW_WIDTH = 1600
_REFRESH = re.compile(r'<meta http-equiv="refresh"[^>]*>\n')
_STATE = re.compile(r'(?<=<p id="state">).*?(?=</p>)', re.DOTALL)


class LivePage:
    """Keeps the page of a training up to date; as a context, marks it as finished or failed at the end.

    Args:
        path: HTML file to write.
        metrics: metrics.csv of the running training, which has the steps of earlier runs.
        draw_preview: returns a JPEG picture of the first batches, at most so many pixels wide.
    """

    def __init__(self, path: Path, metrics: Path, draw_preview: Callable[[int], bytes]) -> None:
        self.path = path
        self._metrics = metrics
        self._draw_preview = draw_preview
        self._preview = ""
        self._steps = LoggedSteps()
        self._charts: list[tuple[str, Markup]] = []
        self._charts_step = 0
        self._writing, self._drawing = _Budget(WRITING_SHARE), _Budget(DRAWING_SHARE)
        self._next_write = 0.0
        self._last: Moment | None = None
        # Finished steps and time after the first step of this run, which includes compilation.
        self._pace: tuple[int, float] | None = None
        self._has_warned = False

    def __enter__(self) -> "LivePage":
        return self

    def __call__(self, moment: Moment) -> None:
        """Take in a moment of the training, and write the page if that is due."""
        if self._last is None:
            self._start(moment)
        elif self._pace is None:
            self._pace = (moment.steps_done, time.monotonic())
        self._last = moment
        if moment.logged:
            self._steps.append(moment.logged.by_column())
        if time.monotonic() < self._next_write or not self._writing.is_left():
            return
        self._next_write = time.monotonic() + REFRESH_SECONDS
        # A line needs two points.
        if len(self._steps) > 1 and self._drawing.is_left():
            with self._harmless(), self._drawing.spent():
                self._draw_charts(moment)
        with self._harmless(), self._writing.spent():
            self._write(moment, "running")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the page for the last time, with the way the training ended."""
        if self._last is None:
            return
        with self._harmless():
            self._draw_charts(self._last)
        with self._harmless():
            self._write(self._last, _end_state(error))

    def _start(self, moment: Moment) -> None:
        """Read the steps of earlier runs, draw the first batches, write the page and log where it is."""
        with self._harmless():
            if moment.steps_done:
                self._steps.read(self._metrics)
            self._preview = base64.b64encode(self._draw_preview(PREVIEW_WIDTH)).decode()
        with self._harmless():
            self._write(moment, "running")
            logging.log(RESULT, "to watch the training, open %s in a browser", self.path)
        self._next_write = time.monotonic() + REFRESH_SECONDS

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        """Turn the first error into a warning and ignore the others."""
        try:
            yield
        # Whatever is wrong with the page, the training goes on.
        except Exception as error:
            if not self._has_warned:
                logging.warning(
                    "the page %s is not up to date (%s); the training goes on", self.path, first_line(error)
                )
            self._has_warned = True

    def _draw_charts(self, moment: Moment) -> None:
        if steps := self._steps.by_column():
            points = [ValidationPoint(**point) for point in moment.validation]
            best = max(points, key=lambda point: point.AP, default=None)
            self._charts = training_charts(steps, points, best.epoch if best and best.AP >= 0 else None)
            self._charts_step = moment.steps_done

    def _write(self, moment: Moment, state: str) -> None:
        is_running = state == "running"
        text = page_template("live.html.j2").render(
            state=state,
            updated=time.strftime("%Y-%m-%d %H:%M:%S"),
            refresh_seconds=REFRESH_SECONDS if is_running else None,
            percent=100 * moment.steps_done / moment.steps,
            tiles=self._tiles(moment, is_running),
            charts=self._charts,
            charts_step=self._charts_step,
            drawing_percent=100 * DRAWING_SHARE,
            preview=self._preview,
        )
        write_text(self.path, text)

    def _tiles(self, moment: Moment, is_running: bool) -> list[tuple[str, str]]:
        """Return (label, value) of what the page tells in numbers."""
        epoch = min(moment.steps_done // moment.steps_per_epoch + 1, moment.steps // moment.steps_per_epoch)
        tiles = [
            ("epoch", f"{epoch} of {moment.steps // moment.steps_per_epoch}"),
            ("step", f"{count_text(moment.steps_done)} of {count_text(moment.steps)}"),
            ("elapsed", duration_text(moment.seconds)),
        ]
        if is_running:
            tiles.append(("remaining", self._remaining(moment)))
        if last := self._steps.last:
            tiles += [("loss", f"{last['loss']:.4g}"), ("learning rate", f"{last['lr']:.3g}")]
            tiles.append(("images/s", f"{last['images_per_second']:.1f}"))
        if moment.validation:
            point, best = moment.validation[-1], max(moment.validation, key=lambda point: point["AP"])
            tiles.append((f"AP, epoch {point['epoch']}", accuracy_text(point["AP"])))
            tiles.append((f"AP50, epoch {point['epoch']}", accuracy_text(point["AP50"])))
            tiles.append((f"best AP, epoch {best['epoch']}", accuracy_text(best["AP"])))
        return tiles

    def _remaining(self, moment: Moment) -> str:
        if self._pace is None or moment.steps_done == self._pace[0]:
            return NONE
        seconds_per_step = (time.monotonic() - self._pace[1]) / (moment.steps_done - self._pace[0])
        return duration_text((moment.steps - moment.steps_done) * seconds_per_step)


class LoggedSteps:
    """Logged steps of any number, as at most 2 * MAX_POINTS means of equally many consecutive steps.

    Attributes:
        last: the last step by column of metrics.csv; empty before the first.
    """

    def __init__(self) -> None:
        self.last: dict[str, float] = {}
        self._means: list[np.ndarray] = []
        self._pending: list[list[float]] = []
        self._steps_per_mean = 1

    def __len__(self) -> int:
        return len(self._means)

    def read(self, path: Path) -> None:
        """Append the steps in a metrics.csv."""
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                self.append({name: float(text) for name, text in row.items()})

    def append(self, values: dict[str, float]) -> None:
        """Append a step by column."""
        self.last = values
        self._pending.append(list(values.values()))
        if len(self._pending) == self._steps_per_mean:
            self._means.append(np.mean(self._pending, axis=0))
            self._pending = []
        if len(self._means) == 2 * MAX_POINTS:
            self._means = list(np.reshape(self._means, (MAX_POINTS, 2, -1)).mean(axis=1))
            self._steps_per_mean *= 2

    def by_column(self) -> dict[str, np.ndarray]:
        """Return the means by column, float64 [S]; an empty dictionary before the first step."""
        return dict(zip(self.last, np.transpose(self._means), strict=True))


class _Budget:
    """A limit for the time that something takes: a share of the time since its creation."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._started = time.monotonic()
        self._spent = 0.0

    def is_left(self) -> bool:
        return self._spent <= self._share * (time.monotonic() - self._started)

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Count the time that the block takes."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._spent += time.monotonic() - started


def mark_failed(path: Path, reason: str) -> None:
    """Mark a page that says that its training runs as failed: the rank that wrote it was ended from outside."""
    with suppress(OSError):
        text, running = _REFRESH.subn("", path.read_text(encoding="utf-8"))
        if running:
            write_text(path, _STATE.sub(lambda _: escape(f"failed: {reason}"), text))


def _end_state(error: BaseException | None) -> str:
    if error is None:
        return "finished"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted: the same command resumes the training"
    return f"failed: {first_line(error)}"
