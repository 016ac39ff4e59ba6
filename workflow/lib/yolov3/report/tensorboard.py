"""Events of a training for TensorBoard."""

import logging
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

# SummaryWriter writes in a thread; once that has ended, as on a full disk, calls wait for it forever.
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary

from yolov3.errors import first_line
from yolov3.terminal import RESULT
from yolov3.training.watching import Moment

FOLDER_NAME = "tensorboard"
FLUSH_SECONDS = 5


class EventLog:
    """Writes the logged steps and the validations of a training to an event file; as a context, closes it.

    Steps are counted from 0, as in metrics.csv; a validation has the number of the step before it. The file begins with
    an event that makes TensorBoard drop what earlier runs have written of the steps that this one repeats.

    Args:
        folder: folder of the event files, one per run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: EventsWriter | None = None
        self._has_failed = False
        self._validations = 0
        self._next_flush = 0.0

    def __enter__(self) -> "EventLog":
        return self

    def __call__(self, moment: Moment) -> None:
        """Write what is new in a moment of the training."""
        if self._has_failed:
            return
        try:
            if self._writer is None:
                self._writer = self._open(moment)
            self._write_new(self._writer, moment)
        except OSError as error:
            # What is written now would follow an incomplete event, where readers stop.
            self._has_failed = True
            logging.warning("%s is not up to date (%s); the training goes on", self.folder, first_line(error))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()

    def _open(self, moment: Moment) -> EventsWriter:
        self.folder.mkdir(parents=True, exist_ok=True)
        # The name has the time in seconds, which two short runs may share.
        writer = EventsWriter(str(self.folder / "events"), f".{moment.steps_done}")
        writer.write_event(
            Event(wall_time=time.time(), step=moment.steps_done, session_log=SessionLog(status=SessionLog.START))
        )
        self._validations = len(moment.validation)
        logging.log(RESULT, "for TensorBoard: tensorboard --logdir %s", self.folder)
        return writer

    def _write_new(self, writer: EventsWriter, moment: Moment) -> None:
        if moment.logged:
            values = moment.logged.by_column()
            del values["epoch"], values["iter"]
            _write_scalars(writer, moment.logged.iter, "train", values)
        for point in moment.validation[self._validations :]:
            _write_scalars(writer, point["iter"] - 1, "validation", {name: point[name] for name in ("AP", "AP50")})
        self._validations = len(moment.validation)
        if time.monotonic() >= self._next_flush:
            writer.flush()
            self._next_flush = time.monotonic() + FLUSH_SECONDS


def _write_scalars(writer: EventsWriter, step: int, group: str, values: dict[str, float]) -> None:
    summary = Summary(
        value=[Summary.Value(tag=f"{group}/{name}", simple_value=value) for name, value in values.items()]
    )
    writer.write_event(Event(wall_time=time.time(), step=step, summary=summary))
