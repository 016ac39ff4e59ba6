"""The complete configuration: defaults by schema and situation, checks against the schema and across fields."""

import difflib
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from yolov3.config.recipe import MODERN, recipe_of, situation_defaults
from yolov3.config.schema import as_integer, config_schema, is_finite, section_schema
from yolov3.config.trained_input import training_input
from yolov3.errors import InputError, shown
from yolov3.files import json_value

CUSTOM_PATHS = ("train_image_dir", "train_annotations", "val_image_dir", "val_annotations")
PYTHON_WORDS = {"True": True, "False": False, "None": None}
# The only device of each native engine; lite is not listed because it runs on both.
DEVICE_OF_ENGINE = {"openvino": "cpu", "acl": "ascend", "auto": "cpu"}
# The engine that a trial finds to be the fastest.
AUTO = "auto"


def complete_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with every default filled in, and presets replaced by what they choose.

    Raises:
        InputError: a key is unknown or a value is not allowed; the message names key, value and what is allowed.
    """
    if not isinstance(config, dict):
        raise InputError("the config is empty or not a mapping of keys to values: start from config/config.yaml")
    try:
        config = typed_values(config)
    except RecursionError:
        # YAML has references by which a list can contain itself.
        raise InputError("a value of the config is nested too deeply: write it as in config/config.yaml") from None
    for key, section in config.items():
        for name, value in section.items() if isinstance(section, dict) else [("", section)]:
            if not is_finite(value):
                raise InputError(f"config key {key}{'.' if name else ''}{name} is {shown(value)} but must be finite")
    _check_schema(config)
    chosen = situation_defaults(config)
    completed = {}
    for key, schema in config_schema()["properties"].items():
        value = config.get(key, schema["default"])
        if schema.get("type") == "object":
            defaults = {name: rule["default"] for name, rule in section_schema(key).items()} | chosen.get(key, {})
            value = {name: value.get(name, default) for name, default in defaults.items()}
        completed[key] = value
    completed["recipe"] = recipe_of(config)
    _check_across_fields(completed)
    return completed


def refuse_double_keys(path: str | Path) -> None:
    """Raise InputError if a YAML or JSON file gives a key twice in one mapping; YAML's loader drops the first."""
    with Path(path).open(encoding="utf-8-sig") as stream:
        nodes: list[Any] = [yaml.compose(stream, getattr(yaml, "CSafeLoader", yaml.SafeLoader))]
    for node in nodes:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if double := {key for key in keys if keys.count(key) > 1}:
                line = node.start_mark.line + 1
                raise InputError(
                    f"config file {path} has the key {min(double)} twice in the mapping that begins at line {line}: "
                    "join or remove one"
                )
            nodes += [value for _, value in node.value if value not in nodes]
        elif isinstance(node, yaml.SequenceNode):
            nodes += [value for value in node.value if value not in nodes]


def typed_values(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config with texts converted to numbers or booleans where the schema expects these."""
    return {
        key: {name: _number_from_text(value, key, name) for name, value in section.items()}
        if isinstance(section, dict)
        else _number_from_text(section, "", key)
        for key, section in config.items()
    }


def _number_from_text(value: Any, section: str, key: str) -> Any:
    """Convert a string to the number or boolean that the schema expects; return other values unchanged.

    YAML parses 1e-4 as a string, and Snakemake every value inside `--config 'train={"lr": 0.1}'`, where people write
    words of Python, too.
    """
    rules = config_schema()["properties"]
    rule = (rules.get(section, {}).get("properties", {}) if section else rules).get(key, {})
    types = rule.get("type", "string")
    is_text = isinstance(rule["enum"][0], str) if "enum" in rule else types == "string"
    if not isinstance(value, str) or is_text:
        return as_integer(value, rule)
    if value in PYTHON_WORDS:
        return PYTHON_WORDS[value]
    try:
        return as_integer(json_value(value), rule)
    except ValueError:
        return value


def network_input(config: dict[str, Any]) -> dict[str, Any]:
    """Return the testing_shape and letterbox that all stages of a workflow use, with null in section `eval` resolved.

    Args:
        config: as returned by `complete_config`.
    """
    pretrained, letterbox = config["weights"]["pretrained"], config["eval"]["letterbox"]
    if letterbox is None:
        # Darknet trains on letterboxed images, the model zoo (.ckpt) does not. Our training keeps the aspect ratio too;
        # the published evaluation does not.
        letterbox = not pretrained.endswith(".ckpt") if pretrained else config["recipe"] == MODERN
    training_shape = "" if pretrained else config["train"]["training_shape"]
    return training_input(config["eval"]["testing_shape"], letterbox, training_shape)


def _check_schema(config: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(config_schema())
    error: Any = jsonschema.exceptions.best_match(validator.iter_errors(config))
    if error is not None:
        raise InputError(describe_schema_error(error))


def describe_schema_error(error: Any) -> str:
    """Describe a `jsonschema.ValidationError` in one sentence: the key, its value and what is allowed."""
    key = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = next(name for name in error.instance if name not in known)
        name = f"{key}.{unknown}" if key else str(unknown)
        suggestions = difflib.get_close_matches(str(unknown), known, n=1)
        hint = f"did you mean {suggestions[0]}?" if suggestions else f"allowed are {', '.join(known)}"
        return f"config key {name} is unknown: {hint}"
    value = error.instance
    allowed = {
        "type": lambda: f"must be of type {_comma_separated(error.validator_value)}",
        "enum": lambda: f"must be one of {_comma_separated(error.validator_value)}",
        "minimum": lambda: f"must be at least {error.validator_value}",
        "maximum": lambda: f"must be at most {error.validator_value}",
        "exclusiveMinimum": lambda: f"must be greater than {error.validator_value}",
        "exclusiveMaximum": lambda: f"must be less than {error.validator_value}",
        "multipleOf": lambda: f"must be a multiple of {error.validator_value}",
        "minItems": lambda: f"must have at least {error.validator_value} entries",
        "maxItems": lambda: f"must have at most {error.validator_value} entries",
        "minLength": lambda: "must not be empty",
        "pattern": lambda: f"must match {error.validator_value}",
    }
    requirement = allowed.get(str(error.validator), lambda: error.message)()
    description = error.schema.get("description", "")
    explanation = f" ({description.rstrip('.')})" if description else ""
    return f"config key {key} is {shown(value)} but {requirement}{explanation}"


def _comma_separated(value: Any) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def _check_across_fields(config: dict[str, Any]) -> None:
    train, network, infer = config["train"], config["network"], config["infer"]

    def refuse(key: str, reason: str, is_refused: bool = True) -> None:
        section, name = key.split(".")
        value = config[section][name]
        if is_refused:
            raise InputError(f"config key {key} is {value if value != '' else 'empty'} but {reason}")

    def limit(smaller: str, larger: str) -> None:
        refuse(
            f"train.{smaller}",
            f"must not exceed train.{larger}, which is {train[larger]}",
            train[smaller] > train[larger],
        )

    areas = [] if network["anchor_scales"] == "auto" else [w * h for w, h in network["anchor_scales"]]
    areas_by_stride = [sum(areas[first : first + 3]) for first in (0, 3, 6)]
    if areas_by_stride != sorted(areas_by_stride):
        raise InputError(
            "config key network.anchor_scales must grow with the stride: the first three anchors belong to stride 8, "
            "the next three to 16, the last three to 32"
        )
    limit("scale_min", "scale_max")
    limit("warmup_epochs", "max_epoch")
    limit("eval_interval", "max_epoch")
    limit("eta_min", "lr")
    limit("warmup_momentum", "momentum")
    if not train["warmup_epochs"]:
        for key in ("warmup_bias_lr", "warmup_momentum"):
            refuse(f"train.{key}", "train.warmup_epochs is 0: set it, so that there is a warm-up", train[key] > 0)
    if train["optimizer"] == "adamw":
        refuse("train.warmup_momentum", "train.optimizer is adamw: use momentum", train["warmup_momentum"] > 0)
    if not train["eval_interval"]:
        remedy = "set it, so that there is a validation AP"
        refuse("train.patience", f"train.eval_interval is 0: {remedy}", train["patience"] > 0)
    if config["backbone"]["source"] == "none" and not train["resume_yolov3"]:
        remedy = "set backbone.source or train.resume_yolov3, so that there are weights to keep"
        refuse(
            "train.freeze_backbone", f"the training starts from random weights: {remedy}", train["freeze_backbone"] == 1
        )
    remedy = f"must be less than train.max_epoch, which is {train['max_epoch']}"
    refuse("train.plain_epochs", remedy, train["plain_epochs"] >= train["max_epoch"])
    remedy = "train.amp_level is O0, in which gradients do not overflow: set amp_level to O2 or auto, or this to static"
    refuse("train.loss_scaler", remedy, train["loss_scaler"] == "dynamic" and train["amp_level"] == "O0")
    if train["lr_scheduler"] == "exponential":
        milestones = [int(epoch) for epoch in train["lr_epochs"].split(",") if epoch]
        is_ascending = milestones == sorted(set(milestones)) and max(milestones, default=0) < train["max_epoch"]
        rule = f"must be in ascending order and below train.max_epoch, which is {train['max_epoch']}"
        refuse("train.lr_epochs", rule, not is_ascending)
    if not train["is_distributed"]:
        refuse("train.group_size", "train.is_distributed is 0: set it to 1", train["group_size"] > 1)
        refuse("train.hosts", "train.is_distributed is 0: set it to 1", bool(train["hosts"]))
    hosts = len(train["hosts"].split(","))
    remedy = f"must be divisible by the number of hosts in train.hosts, which is {hosts}"
    refuse("train.group_size", remedy, train["group_size"] % hosts != 0)
    if config["weights"]["pretrained"] and network["anchor_scales"] == "auto":
        remedy = "set it to the nine anchors that the weights were trained with"
        refuse("network.anchor_scales", f"weights.pretrained is set: {remedy}")
    if infer["precision"] == "bfloat16" and infer["engine"] != "openvino":
        refuse("infer.precision", f"infer.engine is {infer['engine']}: use openvino")
    only_device = DEVICE_OF_ENGINE.get(infer["engine"], infer["device"])
    if infer["device"] != only_device:
        remedy = f"set infer.device to {only_device}, or choose another engine"
        refuse("infer.device", f"infer.engine {infer['engine']} runs on {only_device} only: {remedy}")
    if infer["input"] == "jpeg":
        for key in ("infer.engine", "quantize.quant_backend"):
            section, name = key.split(".")
            remedy = "infer.input is jpeg but the trial of engines runs on bins: choose one, or set infer.input to bins"
            refuse(key, remedy, config[section][name] == AUTO)
    if config["quantize"]["quant_backend"] == AUTO:
        remedy = "infer.device is ascend but auto compares engines of a CPU: use mslite or amct"
        refuse("quantize.quant_backend", remedy, infer["device"] == "ascend")
    if config["data"]["provider"] == "custom":
        for name in () if config["custom"]["folder"] else CUSTOM_PATHS:
            remedy = "data.provider is custom: set it to a path, or custom.folder to the folder of the whole data set"
            refuse(f"custom.{name}", remedy, not config["custom"][name])
