"""Detect objects in images or a video with a trained network: write them with labelled boxes, and predictions.json.

python workflow/scripts/predict.py --ckpt results/train/yolov3.ckpt --input pictures --output found
python workflow/scripts/predict.py --ckpt results/quant/yolov3_darknet53_int8.ms --input street.jpg --output found
python workflow/scripts/predict.py --ckpt results/train/yolov3.ckpt --input street.mp4 --output found

--ckpt is a checkpoint (.ckpt) or an exported model with its description beside it: .mindir, .onnx (float or int8), or
.ms and .om, which run in the native program, for images only. testing_shape and letterbox come from that file; options
override a checkpoint's.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from yolov3.config.options import add_options, settings_from
from yolov3.config.stage import run_stage, stage_parser
from yolov3.distributed.worker import start_runtime
from yolov3.prediction.label_files import KINDS
from yolov3.prediction.run import PredictionSettings, run_prediction

MIN_TILE, MAX_OVERLAP = 32, 0.9


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code, which is 1 also if an image could not be read."""
    parser = stage_parser(__doc__)
    parser.add_argument("--ckpt", type=Path, required=True, help="checkpoint or exported model")
    sources = "image, folder of images (searched recursively), video file, URL of a stream, or number of a camera"
    parser.add_argument("--input", required=True, help=sources)
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    score = "minimum score of a detection. Default: of each class that of its best F1 if it is known, else 0.3"
    parser.add_argument("--score", type=_number(0, 1), help=score)
    metrics = "metrics.json of an evaluation of this model, to take the scores of the best F1 from"
    parser.add_argument("--metrics", type=Path, metavar="FILE", help=metrics)
    parser.add_argument("--classes", nargs="+", default=(), metavar="NAME", help="keep these classes only")
    parser.add_argument("--frames", type=_whole(1), default=0, metavar="N", help="maximum number of frames of a video")
    parser.add_argument("--crops", action="store_true", help="also write each detection to crops/<class>/")
    parser.add_argument("--format", choices=KINDS, help="also write annotation files to a folder of this name")
    ids = "COCO file with the ids of images and classes for --format coco. Default: images are numbered in their order"
    parser.add_argument("--annotations", type=Path, metavar="FILE", help=ids)
    tiles = parser.add_argument_group("tiles, for images larger than the network's input")
    size = "detect in tiles of this width and height in pixels, too. Default: 0, no tiles"
    tiles.add_argument("--tile_size", type=_whole(MIN_TILE), default=0, metavar="PIXELS", help=size)
    overlap = f"overlap of neighbouring tiles as a share of their side, 0 to {MAX_OVERLAP}. Default: 0.2"
    tiles.add_argument("--tile_overlap", type=_number(0, MAX_OVERLAP), default=0.2, metavar="SHARE", help=overlap)
    tiles.add_argument("--tiles_only", action="store_true", help="do not detect in the whole image, too")
    add_options(parser, "eval", only=("testing_shape", "letterbox", "nms_thresh", "max_detections"))
    add_options(parser, "", only=("device_target", "seed"))
    program = Path("results/native310/build/native310")
    parser.add_argument("--program", type=Path, default=program, help=f"native310, for .ms and .om. Default: {program}")
    add_options(parser, "infer", only=("device", "device_id", "warmup"))
    return run_stage(run, parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Start MindSpore unless the model runs in the native program, and write the predictions."""
    settings = settings_from(PredictionSettings, arguments, classes=tuple(arguments.classes))
    if not settings.engine:
        start_runtime(arguments.device_target, arguments.seed)
    run_prediction(settings)


def _number(minimum: float, maximum: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not minimum <= value <= maximum:
            raise argparse.ArgumentTypeError(f"must be from {minimum} to {maximum}")
        return value

    return number


def _whole(minimum: int) -> Callable[[str], int]:
    def integer(text: str) -> int:
        value = int(text)
        # 0, the default, switches the option off.
        if value and value < minimum:
            raise argparse.ArgumentTypeError(f"must be 0 or at least {minimum}")
        return value

    return integer


if __name__ == "__main__":
    sys.exit(main())
