#!/usr/bin/env python3
"""Train or evaluate as a ModelArts job: the boot file, which the platform starts once per device.

modelarts.py --enable_modelarts True --data_url s3://bucket/data --train_url s3://bucket/results \
    --checkpoint_url s3://bucket/pretrained --pretrained_backbone /cache/checkpoint_path/darknet53.ckpt \
    --config config/coco2014_ascend.yaml --max_epoch 320
modelarts.py --stage eval --enable_modelarts True --data_url ... --pretrained /cache/checkpoint_path/yolov3.ckpt

All options of train.py or eval_coco.py are accepted too, and override the config.
"""

import argparse
import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path

import yaml

from yolov3.config.config import complete_config
from yolov3.config.options import option_words, settings_from
from yolov3.config.stage import run_stage, stage_parser
from yolov3.distributed.modelarts import ModelArtsSettings, Platform, Server, manifest_path, run_on_modelarts
from yolov3.errors import InputError
from yolov3.process import sigterm_as_interrupt

PROGRAMS = {"train": "train.py", "eval": "eval_coco.py"}
SECTIONS = {"train": ("network", "train", "eval"), "eval": ("eval",)}
OUTPUT_OPTION = {"train": "--ckpt_path", "eval": "--output_dir"}


def main(argv: list[str] | None = None) -> int:
    """Run the job's part on this device and return its exit code."""
    parser = stage_parser(__doc__)
    add = parser.add_argument
    add("--stage", choices=tuple(PROGRAMS), default="train", help="what to run (default: train)")
    add("--config", type=Path, help="config file with the stage's settings, such as config/coco2014_ascend.yaml")
    add("--enable_modelarts", type=_boolean, default=False, help="copy from and to the URLs (default: False)")
    add("--data_url", default="", help="URL of the data set, as files or one zip")
    add("--train_url", default="", help="URL that receives the results")
    add("--checkpoint_url", default="", help="URL of pretrained weights")
    add("--data_path", type=Path, default=Path("/cache/data"), help="local copy of data_url (default: %(default)s)")
    add("--output_path", type=Path, default=Path("/cache/train"), help="local results (default: %(default)s)")
    add("--load_path", type=Path, default=Path("/cache/checkpoint_path"), help="local copy of checkpoint_url")
    add("--need_modelarts_dataset_unzip", type=_boolean, default=True, help="unpack the zip (default: True)")
    add("--modelarts_dataset_unzip_name", default="coco2014", help="name of zip and folder (default: %(default)s)")
    add("--copy_time_out", type=float, default=10800, help="maximum seconds of a copy (default: %(default)s)")
    # The platform passes it to every boot file.
    add("--num_gpus", help=argparse.SUPPRESS)
    # Otherwise --data_dir, an option of the stage, might be taken for an abbreviation.
    parser.allow_abbrev = False
    arguments, stage_words = parser.parse_known_args(argv)
    codes: list[int] = []
    return run_stage(lambda parsed: codes.append(run(parsed, stage_words)), arguments) or codes[0]


def run(arguments: argparse.Namespace, stage_words: list[str]) -> int:
    """Run the stage with the settings of the platform and the options; return its exit code."""
    words = [*config_words(arguments), *stage_words]
    if not arguments.enable_modelarts:
        return run_program(arguments.stage, words)
    platform = Platform.of_environment()
    settings = settings_from(ModelArtsSettings, arguments)
    # train.py and MindSpore read this name; newer platforms set only another one.
    os.environ["DEVICE_ID"] = str(platform.device_id)
    words = [OUTPUT_OPTION[arguments.stage], str(settings.output_path), *words]
    is_training = arguments.stage == "train"
    if is_training:
        words += ["--is_distributed", str(int(platform.rank_size > 1)), "--group_size", str(max(platform.rank_size, 1))]

    needs_manifest = not any(word.split("=")[0] in ("--manifest", "--data_dir") for word in words)
    if needs_manifest:
        words += ["--manifest", str(manifest_path(settings))]

    def stage() -> int:
        if not is_training and platform.rank_id:
            logging.info("nothing to do here: the job's first device evaluates")
            return 0
        return run_program(arguments.stage, words)

    server = Server(platform, settings.copy_time_out)
    return run_on_modelarts(settings, server, stage, is_resumable=is_training, needs_manifest=needs_manifest)


def config_words(arguments: argparse.Namespace) -> list[str]:
    """Return the stage's settings in the config as words of its command line."""
    if arguments.config is None:
        return []
    if not arguments.config.is_file():
        raise InputError(f"config {arguments.config} does not exist: check the path")
    try:
        given = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problem = " ".join(str(error).split())
        raise InputError(f"config {arguments.config} is not a YAML file ({problem}): correct it") from None
    config = complete_config(given)
    values = {key: value for section in SECTIONS[arguments.stage] for key, value in config[section].items()}
    return shlex.split(option_words({"device_target": config["device_target"], "seed": config["seed"], **values}))


def run_program(stage: str, words: list[str]) -> int:
    """Run the stage's program and return its exit code; SIGTERM, by which the platform stops a job, ends it too."""
    command = [sys.executable, str(Path(__file__).resolve().with_name(PROGRAMS[stage])), *words]
    logging.info("%s", shlex.join(command))
    with sigterm_as_interrupt():
        return subprocess.run(command, check=False).returncode


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise argparse.ArgumentTypeError(f"{text!r} must be True or False")
    return text.lower() in ("true", "1")


if __name__ == "__main__":
    sys.exit(main())
