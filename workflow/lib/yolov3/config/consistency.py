"""Checks of the configuration across its fields."""

from typing import Any

from yolov3.config.engines import AUTO, DEVICE_OF_ENGINE
from yolov3.config.train_consistency import refuse, require_consistent_training
from yolov3.errors import InputError

CUSTOM_PATHS = ("train_image_dir", "train_annotations", "val_image_dir", "val_annotations")
# Sources of a backbone of random weights.
RANDOM_SOURCES = ("none", "fresh")


def require_consistent(config: dict[str, Any]) -> None:
    """Check that the fields of a complete configuration fit together.

    Raises:
        InputError: two do not; the message names both and what to set.
    """
    has_weights = config["backbone"]["source"] not in RANDOM_SOURCES or bool(config["train"]["resume_yolov3"])
    require_consistent_training(config["train"], has_weights)
    if config["train"]["cpu_kernels"] == "onednn":
        for value, key, needed in (
            (config["device_target"], "device_target", "CPU"),
            (config["network"]["compatibility"], "network.compatibility", "darknet"),
        ):
            reason = f"{key} is {value}, and needs {needed}: set cpu_kernels to mindspore"
            refuse(config, "train.cpu_kernels", reason, value != needed)
    _require_consistent_network(config)
    _require_consistent_deployment(config)
    if config["data"]["provider"] == "custom":
        for name in () if config["custom"]["folder"] else CUSTOM_PATHS:
            remedy = "data.provider is custom: set it to a path, or custom.folder to the folder of the whole data set"
            refuse(config, f"custom.{name}", remedy, not config["custom"][name])


def _require_consistent_network(config: dict[str, Any]) -> None:
    anchors = config["network"]["anchor_scales"]
    areas = [] if anchors == "auto" else [w * h for w, h in anchors]
    areas_by_stride = [sum(areas[first : first + 3]) for first in (0, 3, 6)]
    if areas_by_stride != sorted(areas_by_stride):
        raise InputError(
            "config key network.anchor_scales must grow with the stride: the first three anchors belong to stride 8, "
            "the next three to 16, the last three to 32"
        )
    remedy = "weights.pretrained is set: set it to the nine anchors that the weights were trained with"
    refuse(config, "network.anchor_scales", remedy, bool(config["weights"]["pretrained"]) and anchors == "auto")


def _require_consistent_deployment(config: dict[str, Any]) -> None:
    infer = config["infer"]
    is_refused = infer["precision"] == "bfloat16" and infer["engine"] != "openvino"
    refuse(config, "infer.precision", f"infer.engine is {infer['engine']}: use openvino", is_refused)
    only_device = DEVICE_OF_ENGINE.get(infer["engine"], infer["device"])
    remedy = f"set infer.device to {only_device}, or choose another engine"
    reason = f"infer.engine {infer['engine']} runs on {only_device} only: {remedy}"
    refuse(config, "infer.device", reason, infer["device"] != only_device)
    if infer["input"] == "jpeg":
        for key in ("infer.engine", "quantize.quant_backend"):
            section, name = key.split(".")
            remedy = "infer.input is jpeg but the trial of engines runs on bins: choose one, or set infer.input to bins"
            refuse(config, key, remedy, config[section][name] == AUTO)
    if config["quantize"]["quant_backend"] == AUTO:
        remedy = "infer.device is ascend but auto compares engines of a CPU: use mslite or amct"
        refuse(config, "quantize.quant_backend", remedy, infer["device"] == "ascend")
