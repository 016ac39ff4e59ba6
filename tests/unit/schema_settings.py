"""Settings with the schema's defaults."""

from argparse import Namespace

from yolov3.config.config import complete_config
from yolov3.config.options import settings_from


def published(settings_class, **changes):
    """Return the settings of a training as published, with some changes."""
    return settings_from(settings_class, Namespace(**complete_config({})["train"]), **changes)
