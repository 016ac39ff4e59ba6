"""Validation of the configuration: defaults from the schema, checks against the schema, and checks across fields."""

import difflib
import json
import logging
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from yolov3.errors import InputError

# The only device of each native engine; lite is not listed because it runs on both.
DEVICE_OF_ENGINE = {"openvino": "cpu", "acl": "ascend"}
# For networks whose file does not record its input size and letterbox.
FALLBACK_INPUT = {"testing_shape": 416, "letterbox": False}


@lru_cache(maxsize=1)
def config_schema() -> dict[str, Any]:
    """Return the JSON schema of the configuration."""
    return yaml.safe_load(Path(__file__).with_name("config.schema.yaml").read_text(encoding="utf-8"))


def section_schema(section: str) -> dict[str, Any]:
    """Return the schema of each key of a section, in order; section "" holds the top-level keys."""
    properties = config_schema()["properties"]
    if section:
        return properties[section]["properties"]
    return {key: schema for key, schema in properties.items() if schema.get("type") != "object"}


def complete_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with every default filled in.

    Raises:
        InputError: a key is unknown or a value is not allowed; the message names key, value and what is allowed.
    """
    if not isinstance(config, dict):
        raise InputError("the config is empty or not a mapping of keys to values: start from config/config.yaml")
    config = {
        key: {name: _number_from_text(value, key, name) for name, value in section.items()}
        if isinstance(section, dict)
        else _number_from_text(section, "", key)
        for key, section in config.items()
    }
    for key, section in config.items():
        for name, value in section.items() if isinstance(section, dict) else [("", section)]:
            if not is_finite(value):
                raise InputError(f"config key {key}{'.' if name else ''}{name} is {value} but must be finite")
    _check_schema(config)
    completed = {}
    for key, schema in config_schema()["properties"].items():
        value = config.get(key, schema["default"])
        if schema.get("type") == "object":
            value = {name: value.get(name, rule["default"]) for name, rule in schema["properties"].items()}
        completed[key] = value
    _check_across_fields(completed)
    return completed


def _number_from_text(value: Any, section: str, key: str) -> Any:
    """Convert a string to the number or boolean that the schema expects; return other values unchanged.

    YAML parses 1e-4 as a string, and Snakemake every value inside `--config 'train={"lr": 0.1}'`.
    """
    rules = config_schema()["properties"]
    rule = (rules.get(section, {}).get("properties", {}) if section else rules).get(key, {})
    types = rule.get("type", "string")
    is_text = isinstance(rule["enum"][0], str) if "enum" in rule else types == "string"
    if not isinstance(value, str) or is_text:
        return as_integer(value, rule)
    try:
        return as_integer(json.loads(value), rule)
    except json.JSONDecodeError:
        return value


def as_integer(value: Any, rule: dict[str, Any]) -> Any:
    """Convert 8.0 to 8 where the schema expects an integer, in lists too: JSON Schema takes such floats as integers."""
    if isinstance(value, list):
        return [as_integer(item, rule.get("items", {})) for item in value]
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole and "integer" in rule.get("type", "") else value


def is_finite(value: Any) -> bool:
    """Return whether a value, or each item of a list, is neither NaN nor infinite, which pass bounds of JSON Schema."""
    if isinstance(value, list):
        return all(map(is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def network_input(config: dict[str, Any]) -> dict[str, Any]:
    """Return the testing_shape and letterbox that all stages of a workflow use, with null in section `eval` resolved.

    Args:
        config: as returned by `complete_config`.
    """
    pretrained, letterbox = config["weights"]["pretrained"], config["eval"]["letterbox"]
    if letterbox is None:
        # Darknet trains on letterboxed images, the model zoo (.ckpt) does not.
        letterbox = bool(pretrained) and not pretrained.endswith(".ckpt")
    training_shape = "" if pretrained else config["train"]["training_shape"]
    return training_input(config["eval"]["testing_shape"], letterbox, training_shape)


def training_input(testing_shape: int | None, letterbox: bool | None, training_shape: str | int = "") -> dict[str, Any]:
    """Return the testing_shape and letterbox to store in a checkpoint.

    Args:
        testing_shape, letterbox: options, None if not given.
        training_shape: input size of the training in pixels, "" for several sizes.
    """
    side = testing_shape or training_shape or FALLBACK_INPUT["testing_shape"]
    return {"testing_shape": int(side), "letterbox": bool(letterbox)}


def input_as_trained(
    path: str | Path, carried: Any, testing_shape: int | None, letterbox: bool | None
) -> dict[str, Any]:
    """Return the testing_shape and letterbox to run a network with: the options, else the file's, else FALLBACK_INPUT.

    Args:
        path: file of the network, for the log.
        carried: object with attributes testing_shape and letterbox as read from the file, each None if the file does
            not record it; or None.
        testing_shape, letterbox: options, None if not given.
    """
    resolved, fallbacks = {}, []
    for name, option in {"testing_shape": testing_shape, "letterbox": letterbox}.items():
        stored = getattr(carried, name) if carried else None
        if option is not None and stored not in (None, option):
            logging.warning("%s has %s %s; using %s as given", path, name, json.dumps(stored), json.dumps(option))
        if option is None and stored is None:
            fallbacks.append(f"{name} {json.dumps(FALLBACK_INPUT[name])}")
        resolved[name] = next(value for value in (option, stored, FALLBACK_INPUT[name]) if value is not None)
    if fallbacks:
        logging.info("%s does not record how images fill its input: using %s", path, ", ".join(fallbacks))
    return resolved


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
    return f"config key {key} is {value!r} but {requirement}{explanation}"


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
    if train["lr_scheduler"] == "exponential":
        milestones = [int(epoch) for epoch in train["lr_epochs"].split(",")]
        is_ascending = milestones == sorted(set(milestones)) and milestones[-1] < train["max_epoch"]
        rule = f"must be in ascending order and below train.max_epoch, which is {train['max_epoch']}"
        refuse("train.lr_epochs", rule, not is_ascending)
    if not train["is_distributed"]:
        refuse("train.group_size", "train.is_distributed is 0: set it to 1", train["group_size"] > 1)
        refuse("train.hosts", "train.is_distributed is 0: set it to 1", bool(train["hosts"]))
    hosts = len(train["hosts"].split(","))
    refuse(
        "train.group_size",
        f"the {hosts} train.hosts run equal shares: set a multiple",
        train["group_size"] % hosts != 0,
    )
    if config["weights"]["pretrained"] and network["anchor_scales"] == "auto":
        remedy = "set it to the nine anchors that the weights were trained with"
        refuse("network.anchor_scales", f"weights.pretrained is set: {remedy}")
    if infer["precision"] == "bfloat16" and infer["engine"] != "openvino":
        refuse("infer.precision", f"infer.engine is {infer['engine']}: use openvino")
    only_device = DEVICE_OF_ENGINE.get(infer["engine"], infer["device"])
    if infer["device"] != only_device:
        remedy = f"set infer.device to {only_device}, or choose another engine"
        refuse("infer.device", f"infer.engine {infer['engine']} runs on {only_device} only: {remedy}")
    if config["data"]["provider"] == "custom":
        for name, value in config["custom"].items():
            refuse(f"custom.{name}", "data.provider is custom: set it to a path", not value)
