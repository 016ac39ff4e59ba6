"""Entry point of MindSpore Hub: `mindspore_hub.load` calls `create_network` with a name and further arguments.

With `pretrained=True` the Hub loads its published checkpoint into the network; `checkpoint` loads any other.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any

NAME = "yolov3_darknet53"


def create_network(name: str, *args: Any, **kwargs: Any) -> Any:
    """Return YOLOv3-DarkNet53 in inference mode; it maps images, float32 [N, 3, H, W], to raw maps of three strides.

    Args:
        name: "yolov3_darknet53".
        args, kwargs: see `_yolov3_darknet53`.

    Raises:
        NotImplementedError: the name differs.
        InputError: the checkpoint is missing or does not hold a whole network.
    """
    if name != NAME:
        raise NotImplementedError(f"{name} is not in this repository: the name is {NAME}")
    library = str(Path(__file__).resolve().parent / "workflow" / "lib")
    if library not in sys.path:
        sys.path.insert(0, library)
    return _yolov3_darknet53(*args, **kwargs)


def _yolov3_darknet53(checkpoint: str = "", num_classes: int = 80, **settings: Any) -> Any:
    """Build the network.

    Args:
        checkpoint: file written by this project's training, which has its own settings; "" for initial weights.
        num_classes: number of classes; not used with a checkpoint.
        settings: fields of `yolov3.network.settings.NetworkSettings`; not allowed with a checkpoint.
    """
    from yolov3.config.config import complete_config
    from yolov3.errors import InputError
    from yolov3.network.settings import NetworkSettings
    from yolov3.network.yolo import YOLOv3
    from yolov3.weights.checkpoint import load_network

    known = {field.name for field in dataclasses.fields(NetworkSettings)}
    for setting in settings:
        if setting not in known:
            raise InputError(f"{setting} is not a setting of the network: choose from {', '.join(sorted(known))}")
    if checkpoint and settings:
        raise InputError(f"checkpoint {checkpoint} has its own {', '.join(settings)}: leave out one or the other")
    if checkpoint:
        return load_network(checkpoint)[0]
    defaults = complete_config({})["network"]
    defaults["anchors"] = defaults["anchor_scales"]
    defaults["class_names"] = [str(label) for label in range(num_classes)]
    return YOLOv3(NetworkSettings.from_values({**defaults, **settings})).set_train(False)
