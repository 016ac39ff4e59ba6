#!/usr/bin/env python3
"""Check whether this host has what the configuration needs; list everything that is missing.

preflight.py --device_target Ascend --is_distributed 1 --group_size 8 --provider coco2014
"""

import argparse
import dataclasses
import logging
import sys
from pathlib import Path

from yolov3.config.options import add_options, settings_from
from yolov3.config.schema import config_schema
from yolov3.config.stage import run_stage, stage_parser
from yolov3.config.trained_input import training_input
from yolov3.errors import InputError
from yolov3.preflight.checks import missing_requirements
from yolov3.preflight.settings import PreflightSettings
from yolov3.terminal import RESULT


def main(argv: list[str] | None = None) -> int:
    """Run the stage and return its exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("--results_dir", type=Path, default=Path("results"), help="folder of all results")
    parser.add_argument("--devices_here", type=int, choices=(0, 1), default=1, help="0 if a cluster runs the stages")
    parser.add_argument("--dev", type=Path, default=Path("/dev"), help="folder of the device files")
    names = tuple(field.name for field in dataclasses.fields(PreflightSettings))
    # Section coco2017 has the same options as coco2014.
    sections = [name for name, rule in config_schema()["properties"].items() if "properties" in rule]
    sections.remove("coco2017")
    for section in ("", *sections):
        add_options(parser, section, only=names)
    return run_stage(run, parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Log each missing requirement, and raise InputError if there is any."""
    fitted = training_input(arguments.testing_shape, None, arguments.training_shape)
    settings = settings_from(PreflightSettings, arguments, testing_shape=fitted["testing_shape"])
    problems = missing_requirements(settings, arguments.results_dir, dev=arguments.dev)
    for problem in problems:
        logging.error("%s", problem)
    if problems:
        raise InputError(
            f"{len(problems)} {'thing is' if len(problems) == 1 else 'things are'} missing, see above: fix that, or "
            "set preflight to false if you know better"
        )
    logging.log(RESULT, "nothing is missing")


if __name__ == "__main__":
    sys.exit(main())
