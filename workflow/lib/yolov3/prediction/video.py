"""Predictions for the frames of a video file, a stream or a camera: a video with drawn boxes, and one JSON file.

Frames are read, predicted and written one after the other, so memory does not grow with the length of the video.
"""

import contextlib
import itertools
import json
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import FrameType
from typing import Any
from urllib.parse import unquote, urlsplit

import cv2
import numpy as np

from yolov3.boxes import Detections
from yolov3.drawing.detections import draw_detections
from yolov3.errors import InputError
from yolov3.export.description import ModelDescription
from yolov3.files import complete_file
from yolov3.prediction.entries import PREDICTIONS_NAME, prediction_of
from yolov3.prediction.pictures import write_crops
from yolov3.terminal import progress_bar

VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".3gp", ".avi", ".mkv", ".webm", ".ogv"),
        *(".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".mjpeg", ".mjpg"),
    }
)
MAX_CAMERA_DIGITS = 3
# MPEG-4 part 2 in MP4: the only MP4 codec in every build of OpenCV; the wheels have no encoder for H.264.
CODEC, WRITTEN_SUFFIX = "mp4v", ".mp4"
# Frames per second of a stream that does not tell them.
USUAL_FPS = 25.0
# MPEG-4 counts time in at most 65,535 parts of a second, and OpenCV gives it three decimals.
MAX_FPS, MAX_EXACT_FPS = 1000.0, 65.0


@dataclass(frozen=True)
class VideoSource:
    """Where frames come from.

    Attributes:
        address: path, URL or number of a camera, as OpenCV takes it.
        name: name for messages and predictions.json, without user, password and query of a URL.
        stem: name of the written video without suffix.
        is_stream: whether it may have no end, so that an interruption ends it as if it had one.
    """

    address: str | int
    name: str
    stem: str
    is_stream: bool


def video_source(text: str) -> VideoSource | None:
    """Return the video that an input names, or None if it is an image or a folder.

    A video is a file with one of VIDEO_SUFFIXES, a URL, or the number of a camera unless a file has this name.

    Raises:
        InputError: there is no file at a path with the suffix of a video.
    """
    if "://" in text:
        parts = urlsplit(text)
        place = parts.netloc.rpartition("@")[2]
        stem = PurePath(unquote(parts.path)).stem or place.replace(":", "_") or "stream"
        return VideoSource(text, f"{parts.scheme}://{place}{parts.path}", stem, is_stream=True)
    path = Path(text)
    if text.isdecimal() and len(text) <= MAX_CAMERA_DIGITS and not path.exists():
        return VideoSource(int(text), f"camera {int(text)}", f"camera_{int(text)}", is_stream=True)
    if path.suffix.lower() not in VIDEO_SUFFIXES or path.is_dir():
        return None
    if not path.is_file():
        raise InputError(f"video {text} does not exist: check the path")
    return VideoSource(text, path.name, path.stem, is_stream=False)


def predict_video(
    source: VideoSource,
    detect: Callable[[np.ndarray], Detections],
    model: ModelDescription,
    output_dir: Path,
    max_frames: int = 0,
    crops: bool = False,
) -> None:
    """Write <output_dir>/<stem>.mp4 with the frames and their boxes, and predictions.json with an entry per frame.

    The video has the size and the frames per second of the source, except that OpenCV's encoder drops the last column
    or row of an odd size. An entry is as that of an image, with the index of the frame, from 0, as "frame".

    Args:
        source: where frames come from. SIGINT or SIGTERM ends a stream; a second one interrupts.
        detect: function from pixels, uint8 [H, W, 3] RGB, to detections.
        model: names the classes of the detections.
        output_dir: folder of all results.
        max_frames: maximum number of frames; 0 reads to the end.
        crops: whether to write each detection as a picture too, see `write_crops`.

    Raises:
        InputError: the source cannot be opened, has no frames, would be overwritten, or the video cannot be written.
    """
    path = output_dir / f"{source.stem}{WRITTEN_SUFFIX}"
    if not source.is_stream and path.resolve() == Path(str(source.address)).resolve():
        raise InputError(f"the video with boxes would overwrite {path}: choose another output folder")
    frame_count = detection_count = 0
    with _opened(source) as capture, _ending_on_signals(source.is_stream) as is_ended:
        frames = _frames(capture, max_frames, is_ended)
        first = next(frames, None)
        if first is None:
            raise InputError(f"{source.name} has no frames that can be read: check that it plays elsewhere")
        in_source = 0 if source.is_stream else max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        start = time.monotonic()
        with (
            _json_list(output_dir / PREDICTIONS_NAME) as append,
            _written_video(path, _fps(capture, source), (first.shape[1], first.shape[0])) as write,
            progress_bar(total=min(filter(None, (in_source, max_frames)), default=None), unit="frame") as bar,
        ):
            for number, frame in enumerate(itertools.chain([first], frames)):
                detections = detect(frame)
                write(draw_detections(frame, detections, model.class_names, min_side=1))
                append({"frame": number, **prediction_of(source.name, frame, detections, model)})
                if crops:
                    name = PurePath(f"{source.stem}_{number:06d}.jpg")
                    write_crops(frame, detections, model.class_names, output_dir, name)
                frame_count = number + 1
                detection_count += len(detections)
                bar.update()
    rate = frame_count / max(time.monotonic() - start, 1e-9)
    # Containers may give a rounded number.
    if not max_frames and not is_ended.is_set() and in_source - frame_count > max(1, in_source // 100):
        logging.warning("%s should have %d frames: it is cut off or damaged", source.name, in_source)
    message = "%d detections in %d frames, %.1f frames/s: %s"
    logging.info(message, detection_count, frame_count, rate, path)


@contextlib.contextmanager
def _opened(source: VideoSource) -> Iterator[cv2.VideoCapture]:
    # The messages of OpenCV and FFmpeg say in several lines what the error below says in one.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    with _silent_opencv():
        capture = cv2.VideoCapture(source.address)
    try:
        if not capture.isOpened():
            advice = (
                "check that it is reachable and not in use"
                if source.is_stream
                else "it is damaged or of an unknown format, restore it or convert it to MP4"
            )
            raise InputError(f"{source.name} cannot be opened as a video: {advice}")
        yield capture
    finally:
        capture.release()


@contextlib.contextmanager
def _silent_opencv() -> Iterator[None]:
    level = cv2.getLogLevel()
    cv2.setLogLevel(0)
    try:
        yield
    finally:
        cv2.setLogLevel(level)


def _frames(capture: cv2.VideoCapture, max_frames: int, is_ended: threading.Event) -> Iterator[np.ndarray]:
    """Yield frames, uint8 [H, W, 3] RGB, up to a number of them (0: all) or until the event is set."""
    for count in itertools.count(1):
        is_read, frame_bgr = capture.read()
        if not is_read:
            return
        yield cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2RGB, dst=frame_bgr)
        if count == max_frames or is_ended.is_set():
            return


def _fps(capture: cv2.VideoCapture, source: VideoSource) -> float:
    fps = float(capture.get(cv2.CAP_PROP_FPS))
    if not (math.isfinite(fps) and 0 < fps <= MAX_FPS):
        logging.warning("%s does not tell its frames per second: %g are written", source.name, USUAL_FPS)
        return USUAL_FPS
    return fps if fps <= MAX_EXACT_FPS else round(fps)


@contextlib.contextmanager
def _written_video(path: Path, fps: float, size_wh: tuple[int, int]) -> Iterator[Callable[[np.ndarray], None]]:
    """Yield a function that appends a frame, uint8 [H, W, 3] RGB, to a video, which appears when it is complete."""
    width, height = size_wh
    with complete_file(path) as temporary:
        with _silent_opencv():
            writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*CODEC), fps, size_wh)
        if not writer.isOpened():
            raise InputError(
                f"video {path} of {width} x {height} pixels cannot be written with codec {CODEC}: install "
                "opencv-python-headless, whose FFmpeg has it, and give frames of at least 2 x 2 pixels"
            )

        def write(frame_rgb: np.ndarray) -> None:
            frame_bgr = cv2.cvtColor(frame_rgb, cv2.COLOR_RGB2BGR)
            # A stream may change its resolution; OpenCV leaves out frames of another size without a message.
            writer.write(frame_bgr if frame_bgr.shape[:2] == (height, width) else cv2.resize(frame_bgr, size_wh))

        try:
            yield write
        finally:
            writer.release()
        # The writer does not report errors such as a full disk; then the index at the end of the file is missing.
        with _silent_opencv():
            written = cv2.VideoCapture(str(temporary))
        is_complete = written.isOpened()
        written.release()
        if not is_complete:
            raise InputError(f"video {path} could not be written completely: free space on its disk")


@contextlib.contextmanager
def _json_list(path: Path) -> Iterator[Callable[[Any], None]]:
    """Yield a function that appends a value to a JSON list, one per line, in a file that appears when complete."""
    with complete_file(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        separator = "[\n"

        def append(value: Any) -> None:
            nonlocal separator
            stream.write(separator + json.dumps(value, ensure_ascii=False, allow_nan=False))
            separator = ",\n"

        yield append
        stream.write("\n]\n" if separator == ",\n" else "[]\n")


@contextlib.contextmanager
def _ending_on_signals(applies: bool) -> Iterator[threading.Event]:
    """Yield an event that the first SIGINT or SIGTERM sets, if it applies; the second one raises KeyboardInterrupt."""
    is_ended = threading.Event()
    if not applies or threading.current_thread() is not threading.main_thread():
        yield is_ended
        return

    def end(_signal: int, _frame: FrameType | None) -> None:
        if is_ended.is_set():
            raise KeyboardInterrupt
        is_ended.set()

    previous = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield is_ended
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
