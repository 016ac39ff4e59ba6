"""Evaluation settings from command-line options."""

import argparse

from yolov3.config.options import settings_from
from yolov3.evaluation.evaluate import EvaluationSettings
from yolov3.evaluation.postprocess import PostprocessSettings


def evaluation_settings_from(arguments: argparse.Namespace) -> EvaluationSettings:
    """Build the settings of an evaluation from the options of config section `eval`."""
    return settings_from(EvaluationSettings, arguments, postprocess=settings_from(PostprocessSettings, arguments))
