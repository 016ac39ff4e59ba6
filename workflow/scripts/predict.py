"""Detect objects in images with a trained network: write the images with labelled boxes, and predictions.json.

python workflow/scripts/predict.py --ckpt results/train/yolov3.ckpt --input pictures --output found
python workflow/scripts/predict.py --ckpt results/quant/yolov3_darknet53_int8.ms --input street.jpg --output found

--ckpt is a checkpoint (.ckpt) or an exported model with its description beside it: .mindir, .onnx (float or int8), or
.ms and .om, which run in the native program. testing_shape and letterbox come from that file; options override a
checkpoint's.
"""

import argparse
import logging
import sys
from pathlib import Path

import numpy as np

from yolov3.boxes import Detections
from yolov3.config.config import DEVICE_OF_ENGINE
from yolov3.config.options import add_options, settings_from
from yolov3.config.stage import run_stage, stage_parser
from yolov3.distributed.worker import start_runtime
from yolov3.native.run import NativeRunSettings
from yolov3.prediction.detector import load_detector, read_description
from yolov3.prediction.engines import native_engine
from yolov3.prediction.native import native_detections
from yolov3.prediction.predict import find_images, predict_files
from yolov3.process import available_cpus
from yolov3.terminal import progress_bar


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code, which is 1 also if an image could not be read."""
    parser = stage_parser(__doc__)
    parser.add_argument("--ckpt", type=Path, required=True, help="checkpoint or exported model")
    parser.add_argument("--input", type=Path, required=True, help="image, or folder of images (searched recursively)")
    parser.add_argument("--output", type=Path, required=True, help="folder of the pictures and predictions.json")
    parser.add_argument("--score", type=_score, default=0.3, help="minimum score of a detection, 0..1. Default: 0.3")
    add_options(parser, "eval", only=("testing_shape", "letterbox", "nms_thresh", "max_detections"))
    add_options(parser, "", only=("device_target", "seed"))
    program = Path("results/native310/build/native310")
    parser.add_argument("--program", type=Path, default=program, help=f"native310, for .ms and .om. Default: {program}")
    add_options(parser, "infer", only=("device", "device_id", "warmup"))
    return run_stage(run, parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Find the images, load the model, and write the predictions."""
    files = find_images(arguments.input, without=arguments.output)
    folder = arguments.input if arguments.input.is_dir() else arguments.input.parent
    if engine := native_engine(arguments.ckpt, arguments.device):
        model = read_description(arguments.ckpt, arguments.testing_shape, arguments.letterbox)
        run_settings = settings_from(
            NativeRunSettings,
            arguments,
            engine=engine,
            device=DEVICE_OF_ENGINE.get(engine, arguments.device),
            raw_maps=False,
            precision="float32",
            threads=available_cpus(),
            eval_ignore_threshold=arguments.score,
        )
        detect = native_detections(arguments.program, arguments.ckpt, model, files, run_settings)
    else:
        start_runtime(arguments.device_target, arguments.seed)
        detector = load_detector(
            arguments.ckpt,
            score=arguments.score,
            nms=arguments.nms_thresh,
            max_detections=arguments.max_detections,
            testing_shape=arguments.testing_shape,
            letterbox=arguments.letterbox,
        )
        model = detector.model

        def detect(path: Path, image: np.ndarray) -> Detections:
            return detector.detect(image)

    with progress_bar(total=len(files)) as bar:
        predictions = predict_files(files, folder, detect, model, arguments.output, on_image=bar.update)
    count = sum(len(prediction["detections"]) for prediction in predictions)
    logging.info("%d detections in %d images: %s", count, len(predictions), arguments.output)


def _score(text: str) -> float:
    score = float(text)
    if not 0 <= score <= 1:
        raise argparse.ArgumentTypeError("must be from 0 to 1")
    return score


if __name__ == "__main__":
    sys.exit(main())
