"""The complete configuration: defaults by schema and situation, checked against the schema and across fields."""

import difflib
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from yolov3.config.consistency import require_consistent
from yolov3.config.recipe import MODERN, recipe_of, situation_defaults
from yolov3.config.schema import as_integer, config_schema, is_finite, section_schema
from yolov3.config.trained_input import training_input
from yolov3.errors import InputError, shown
from yolov3.files import json_value

PYTHON_WORDS = {"True": True, "False": False, "None": None}


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
    require_consistent(completed)
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
