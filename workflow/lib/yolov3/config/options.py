"""The command-line options of a stage, made from the schema of the configuration.

One description serves both: a rule turns its section of the config into words (`option_words`), the stage's script
turns the words back into values (`add_options`, `settings_from`) with the same types, ranges and defaults.
"""

import argparse
import dataclasses
import json
import shlex
from collections.abc import Callable
from typing import Any, TypeVar

import jsonschema

from yolov3.config.config import as_integer, section_schema

Settings = TypeVar("Settings")


def add_options(parser: argparse.ArgumentParser, section: str, only: tuple[str, ...] = ()) -> None:
    """Add an option for each key of a config section (or for those named in `only`), with the schema's default."""
    group = parser.add_argument_group(section or "general")
    for name, schema in section_schema(section).items():
        if only and name not in only:
            continue
        default = schema["default"]
        group.add_argument(
            f"--{name}",
            type=_reader(schema),
            default=tuple(map(_frozen, default)) if isinstance(default, list) else default,
            metavar="VALUE",
            help=f"{schema['description']} Default: {json.dumps(default)}".replace("%", "%%"),
        )


def option_words(values: dict[str, Any]) -> str:
    """Return `values` as quoted command-line words: {"lr": 0.1} gives "--lr 0.1", and None no words."""
    given = {name: value for name, value in values.items() if value is not None}
    return " ".join(f"--{name} {shlex.quote(_text(value))}" for name, value in given.items())


def settings_from(settings_class: type[Settings], arguments: argparse.Namespace, **more: Any) -> Settings:
    """Fill a settings dataclass from parsed options of the same names.

    Fields that are no options are given by `more`, or keep their defaults.
    """
    names = [field.name for field in dataclasses.fields(settings_class)]  # type: ignore[arg-type]
    values = {name: getattr(arguments, name) for name in names if hasattr(arguments, name)}
    return settings_class(**{**values, **more})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _reader(schema: dict[str, Any]) -> Callable[[str], Any]:
    validator = jsonschema.Draft202012Validator(schema)
    is_text = schema.get("type") == "string" or all(isinstance(value, str) for value in schema.get("enum", [0]))

    def read(text: str) -> Any:
        value: Any = text
        if not is_text:
            try:
                value = json.loads(text.lower() if text in ("True", "False") else text)
            except json.JSONDecodeError:
                value = text
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        if error is not None:
            raise argparse.ArgumentTypeError(f"{error.message} ({schema['description']})")
        # 0 is a number to YAML and JSON, but MindSpore wants 0.0 where it wants a float.
        return float(value) if schema.get("type") == "number" else _frozen(as_integer(value, schema))

    return read
