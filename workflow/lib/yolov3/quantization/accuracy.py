"""Measure a model on training images that neither calibrate it nor evaluate it."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yolov3.data.annotations import CocoSplit, load_split
from yolov3.data.manifest import Manifest
from yolov3.errors import InputError
from yolov3.evaluation.coco_metrics import coco_result
from yolov3.evaluation.coco_results import read_results
from yolov3.evaluation.evaluate import EvaluationSettings, detect_split
from yolov3.evaluation.postprocess import PostprocessSettings
from yolov3.evaluation.true_boxes import TrueBoxes
from yolov3.export.description import ModelDescription
from yolov3.export.runners import onnx_runner
from yolov3.files import read_json
from yolov3.native.bins import BinsSettings, write_bins
from yolov3.native.run import NativeRunSettings, native_command, run_program
from yolov3.process import available_cpus
from yolov3.quantization.calibration import draw_images

# As the evaluation does by default.
POSTPROCESS = PostprocessSettings(eval_ignore_threshold=0.001, nms_thresh=0.5, max_detections=0)


@dataclass(frozen=True)
class SearchImages:
    """Images to measure models on, and their true boxes."""

    split: CocoSplit
    truth: TrueBoxes

    @classmethod
    def draw(cls, manifest: Manifest, count: int, calibration_images: int, seed: int) -> "SearchImages | None":
        """Draw training images with boxes that the calibration with this number of images and seed does not use.

        Return None if there are none.
        """
        split = load_split(manifest, "train")
        others = np.setdiff1d(split.with_boxes(), draw_images(split, calibration_images, seed))
        if not len(others):
            return None
        chosen = np.random.default_rng((seed, 1)).choice(others, min(count, len(others)), replace=False)
        indices = np.sort(chosen)
        return cls(split.only(indices), TrueBoxes.of_split(manifest, "train").only(indices))

    def measure(self, model: Path, program: Path | None) -> tuple[float, float]:
        """Return AP and the network's milliseconds per image of a model with its description beside it.

        Args:
            model: .onnx file, which ONNX Runtime runs, or .ms file, which the native program runs.
            program: the native program.

        Raises:
            InputError: the program is missing or fails.
        """
        description = ModelDescription.read(model)
        rows, milliseconds = (
            self._detect(model, description)
            if model.suffix == ".onnx"
            else self._detect_natively(model, description, program)
        )
        return float(coco_result(self.truth, rows).metrics["AP"]), milliseconds

    def _detect(self, model: Path, description: ModelDescription) -> tuple[np.ndarray, float]:
        settings = EvaluationSettings(
            description.testing_shape, description.batch_size, description.letterbox, POSTPROCESS
        )
        run = onnx_runner(model)
        found = detect_split(run, description, self.split, settings, is_decoded=description.keep_detect)
        return found.rows, 1000 * found.seconds["network"] / len(self.split)

    def _detect_natively(
        self, model: Path, description: ModelDescription, program: Path | None
    ) -> tuple[np.ndarray, float]:
        if program is None:
            raise InputError(f"model {model.name} is measured by native310, which is not given: add --program")
        settings = NativeRunSettings(
            engine="lite",
            device="cpu",
            device_id=0,
            raw_maps=False,
            precision="float32",
            warmup=1,
            threads=available_cpus(),
            **vars(POSTPROCESS),
        )
        prepared = BinsSettings(description.testing_shape, description.letterbox, description.mean_std, "uint8")
        with tempfile.TemporaryDirectory(prefix="search-") as folder:
            bins, output = Path(folder) / "bins", Path(folder) / "output"
            write_bins(self.split, range(len(self.split)), prepared, bins)
            run_program(native_command(program, model, bins, output, settings))
            rows = read_results(output / "detections.json", self.truth.ids)
            timings = read_json(output / "benchmark.json", "timings file")
        return rows, float(timings["network_ms"]["mean"])
