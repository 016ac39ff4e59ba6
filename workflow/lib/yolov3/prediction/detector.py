"""Object detection with a trained network, loaded from a checkpoint or an exported model.

from yolov3.prediction import load_detector

detections = load_detector("yolov3.ckpt", score=0.3).detect("street.jpg")
for name, score, (x1, y1, x2, y2) in zip(detections.names, detections.scores, detections.boxes_xyxy):
    print(f"{name} {score:.2f} from ({x1:.0f}, {y1:.0f}) to ({x2:.0f}, {y2:.0f})")
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yolov3.boxes import Detections
from yolov3.config.trained_input import input_as_trained
from yolov3.data.images import read_image_rgb
from yolov3.errors import InputError
from yolov3.evaluation.postprocess import PostprocessSettings, detect, detect_decoded
from yolov3.export.description import ModelDescription
from yolov3.network.inference import inference_of
from yolov3.network.preprocess import normalise, place_image
from yolov3.weights.checkpoint import load_network

Runner = Callable[[np.ndarray], tuple[np.ndarray, ...]]
"""From float32 [N, 3, H, W] to the network's outputs."""


@dataclass(frozen=True)
class NamedDetections(Detections):
    """Detections of one image, in descending order of score, with the names of the classes."""

    class_names: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The class name of each detection."""
        return [self.class_names[label] for label in self.labels]


@dataclass(frozen=True)
class Detector:
    """A loaded network with its pre- and post-processing.

    Attributes:
        run: function from float32 [N, 3, H, W] to the network's outputs.
        model: input, anchors and classes of the network; its `category_ids` are empty if the data set is not known.
        settings: score threshold, NMS threshold and maximum number of detections.
    """

    run: Runner
    model: ModelDescription
    settings: PostprocessSettings

    def detect(self, image: np.ndarray | str | Path) -> NamedDetections:
        """Return the detections in an image.

        Args:
            image: path of an image file, whose EXIF orientation is applied, or pixels, uint8 [H, W, 3] in RGB order
                (OpenCV reads BGR).

        Raises:
            InputError: the file cannot be read, or the pixels have another dtype or shape.
        """
        pixels = image if isinstance(image, np.ndarray) else read_image_rgb(image)
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise InputError(f"the image is {pixels.dtype} {list(pixels.shape)}: pass uint8 [H, W, 3] in RGB order")
        model = self.model
        placed, placement = place_image(pixels, model.input_size, model.letterbox)
        images = np.zeros((model.batch_size, 3, *model.input_size), np.float32)
        images[0] = normalise(placed, model.mean_std)
        outputs = tuple(output[0] for output in self.run(images))
        if model.keep_detect:
            detections = detect_decoded(outputs, placement, self.settings)
        else:
            detections = detect(outputs, model.input_size, model.anchors, placement, self.settings)
        return NamedDetections(**vars(detections), class_names=model.class_names)


def load_detector(
    path: str | Path,
    *,
    score: float = 0.3,
    nms: float = 0.5,
    max_detections: int = 0,
    testing_shape: int | None = None,
    letterbox: bool | None = None,
) -> Detector:
    """Load a checkpoint (.ckpt), or an exported model (.mindir, .onnx) with its description beside it.

    Args:
        path: file of the network.
        score: minimum score of a detection, 0..1.
        nms: IoU, 0..1, above which the lower-scored of two boxes of a class is dropped.
        max_detections: maximum number of detections per image; 0 keeps all.
        testing_shape: input size in pixels, a multiple of 32; None takes the size stored in the file. An exported
            model supports only that size.
        letterbox: whether images keep their aspect ratio; None takes the value stored in the file.

    Raises:
        InputError: the file is missing, broken or of an unsupported format, an exported model has other values, or an
            option is out of range.
    """
    if not (0 <= score <= 1 and 0 <= nms <= 1):
        raise InputError(f"score is {score} and nms is {nms}: both must be between 0 and 1")
    if testing_shape is not None and (testing_shape < 32 or testing_shape % 32):
        raise InputError(f"testing_shape is {testing_shape} but must be a multiple of 32")
    run, model = load_model(Path(path), testing_shape, letterbox)
    return Detector(run, model, PostprocessSettings(score, nms, max_detections))


def load_model(
    path: Path, testing_shape: int | None, letterbox: bool | None, class_names: tuple[str, ...] | None = None
) -> tuple[Runner, ModelDescription]:
    """Load a checkpoint or an exported model as a function, with its description; see `load_detector`.

    Args:
        path: .ckpt, .mindir or .onnx file.
        testing_shape, letterbox: see `load_detector`.
        class_names: classes that the network must have; None for any.

    Raises:
        InputError: as `load_detector`, or the network has other classes.
    """
    if path.suffix == ".ckpt":
        network, stored = load_network(path, class_names)
        fitted = input_as_trained(path, stored, testing_shape, letterbox)
        model = ModelDescription(
            input_size=(fitted["testing_shape"],) * 2,
            batch_size=1,
            input_name="",
            anchors=stored.anchors,
            class_names=stored.class_names,
            category_ids=stored.category_ids,
            letterbox=fitted["letterbox"],
            keep_detect=False,
            **vars(stored.mean_std),
        )
        return inference_of(network), model
    # Imported only for exported models: a checkpoint needs no ONNX Runtime.
    from yolov3.export.runners import mindir_runner, onnx_runner

    runners = {".mindir": mindir_runner, ".onnx": onnx_runner}
    if path.suffix not in runners:
        raise InputError(f"model {path} has an unsupported format: use a .ckpt, .mindir, .onnx, .ms or .om file")
    model = read_description(path, testing_shape, letterbox, class_names)
    return runners[path.suffix](path), model


def read_description(
    path: Path, testing_shape: int | None, letterbox: bool | None, class_names: tuple[str, ...] | None = None
) -> ModelDescription:
    """Read the description of an exported model and check it against the given values (None: not given).

    Raises:
        InputError: the model or its description is missing or broken, or the model was exported with other values.
    """
    if not path.is_file():
        raise InputError(f"model {path} does not exist: check the path")
    description = ModelDescription.read(path)
    if testing_shape is not None and (testing_shape, testing_shape) != description.input_size:
        height, width = description.input_size
        raise InputError(
            f"testing_shape is {testing_shape} but model {path} was exported for {width} x {height} pixels: omit the "
            "option, or export again"
        )
    if letterbox is not None and letterbox != description.letterbox:
        raise InputError(
            f"letterbox is {str(letterbox).lower()} but model {path} was exported for "
            f"{str(description.letterbox).lower()}: omit the option, or export again"
        )
    if class_names not in (None, description.class_names):
        raise InputError(
            f"model {path} has classes {', '.join(description.class_names)} but the data set has "
            f"{', '.join(class_names or ())}: give the manifest of the data set that it was trained on"
        )
    return description
