"""A prediction from its settings: images or a video, in Python or in the native program, whole or in tiles."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yolov3.boxes import Detections
from yolov3.config.engines import DEVICE_OF_ENGINE
from yolov3.errors import InputError
from yolov3.evaluation.postprocess import PostprocessSettings
from yolov3.export.description import ModelDescription
from yolov3.native.run import NativeRunSettings
from yolov3.prediction.detector import Detector, load_model, read_description
from yolov3.prediction.engines import native_engine
from yolov3.prediction.label_files import label_files
from yolov3.prediction.native import native_detections
from yolov3.prediction.predict import find_images, predict_files
from yolov3.prediction.selection import DEFAULT_SCORE, Selection, labels_of, min_scores_of
from yolov3.prediction.tiles import TileSettings, detect_in_tiles
from yolov3.prediction.video import predict_video, video_source
from yolov3.process import available_cpus


@dataclass(frozen=True)
class PredictionSettings:
    """What to predict, and how; the fields are the options of predict.py of the same names.

    Attributes:
        score: minimum score of a detection, 0..1; None takes those of `metrics`, else of the model's description.
        metrics: metrics.json of an evaluation, None if there is none.
        testing_shape, letterbox: None takes the values stored in the model's file.
        tile_size: side of a tile in pixels of the image; 0 does not divide images.
        tile_overlap: overlap of neighbouring tiles as a share of their side.
        classes: names of the classes to keep; () keeps all.
        frames: maximum number of frames of a video; 0 reads all.
        format: kind of annotation files to write, None for none.
        annotations: COCO file with the ids for the format coco, None if there is none.
        program, device, device_id, warmup: how the native program runs.
    """

    ckpt: Path
    input: str
    output: Path
    score: float | None
    metrics: Path | None
    testing_shape: int | None
    letterbox: bool | None
    nms_thresh: float
    max_detections: int
    classes: tuple[str, ...]
    tile_size: int
    tile_overlap: float
    tiles_only: bool
    frames: int
    crops: bool
    format: str | None
    annotations: Path | None
    program: Path
    device: str
    device_id: int
    warmup: int

    @property
    def engine(self) -> str:
        """Engine of the native program that runs the model, "" if it runs in Python."""
        return native_engine(self.ckpt, self.device)


def run_prediction(settings: PredictionSettings) -> None:
    """Detect objects in the input and write the results to the output folder.

    Raises:
        InputError: model, input or annotations are missing or broken, or options do not fit together; or, after all
            others are done, images could not be read.
    """
    source = video_source(settings.input)
    _refuse_contradictions(settings, is_video=source is not None)
    if source:
        detect_image, model = _python_model(settings)
        predict_video(source, detect_image, model, settings.output, settings.frames, settings.crops)
        return
    place = Path(settings.input)
    files = find_images(place, without=settings.output)
    folder = place if place.is_dir() else place.parent
    detect, model = _native_model(settings, files) if settings.engine else _file_detector(*_python_model(settings))
    labels = label_files(settings.format, files, folder, model, settings.annotations) if settings.format else None
    predict_files(files, folder, detect, model, settings.output, settings.crops, labels)


_OfPixels = Callable[[np.ndarray], Detections]
_OfFile = Callable[[Path, np.ndarray], Detections]


def _refuse_contradictions(settings: PredictionSettings, is_video: bool) -> None:
    if settings.engine:
        for what, is_used in (("videos", is_video), ("tiles", settings.tile_size)):
            if is_used:
                raise InputError(
                    f"model {settings.ckpt} runs in the native program, which does not support {what}: use the .ckpt, "
                    ".mindir or .onnx file of this network"
                )
    if is_video and settings.format:
        raise InputError(f"format {settings.format} needs image files but {settings.input} is a video: omit --format")
    if settings.frames and not is_video:
        raise InputError(f"--frames limits a video but {settings.input} is none: omit the option")
    if settings.tiles_only and not settings.tile_size:
        raise InputError("--tiles_only needs tiles: give --tile_size, too")
    if settings.annotations and settings.format != "coco":
        raise InputError("--annotations gives the ids of COCO results: give --format coco, too")


def _python_model(settings: PredictionSettings) -> tuple[_OfPixels, ModelDescription]:
    run, model = load_model(settings.ckpt, settings.testing_shape, settings.letterbox)
    selection = _selection(settings, model)
    # The limit of the number of detections applies to what is left of all tiles and classes.
    detector = Detector(run, model, PostprocessSettings(min(selection.min_scores), settings.nms_thresh, 0))
    tiles = TileSettings(
        settings.tile_size, settings.tile_overlap, not settings.tiles_only, settings.nms_thresh, model.input_size
    )

    def detect(image_rgb: np.ndarray) -> Detections:
        found = detect_in_tiles(image_rgb, detector.detect, tiles) if tiles.size else detector.detect(image_rgb)
        return selection.of(found)

    return detect, model


def _file_detector(detect: _OfPixels, model: ModelDescription) -> tuple[_OfFile, ModelDescription]:
    return lambda _path, image_rgb: detect(image_rgb), model


def _native_model(settings: PredictionSettings, files: list[Path]) -> tuple[_OfFile, ModelDescription]:
    model = read_description(settings.ckpt, settings.testing_shape, settings.letterbox)
    selection = _selection(settings, model)
    run_settings = NativeRunSettings(
        engine=settings.engine,
        device=DEVICE_OF_ENGINE.get(settings.engine, settings.device),
        device_id=settings.device_id,
        raw_maps=False,
        precision="float32",
        warmup=settings.warmup,
        threads=available_cpus(),
        eval_ignore_threshold=min(selection.min_scores),
        nms_thresh=settings.nms_thresh,
        max_detections=0,
    )
    detect = native_detections(settings.program, settings.ckpt, model, files, run_settings)
    return lambda path, image_rgb: selection.of(detect(path, image_rgb)), model


def _selection(settings: PredictionSettings, model: ModelDescription) -> Selection:
    names = model.class_names
    if settings.score is not None:
        min_scores = (settings.score,) * len(names)
    elif settings.metrics:
        min_scores = min_scores_of(settings.metrics, names)
    else:
        min_scores = model.score_thresholds or (DEFAULT_SCORE,) * len(names)
    return Selection(labels_of(settings.classes, names), settings.max_detections, min_scores)
