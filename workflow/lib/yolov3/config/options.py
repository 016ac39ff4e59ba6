"""Command-line options of the stages, generated from the schema of the configuration.

A rule passes its section of the config as command-line words (`option_words`); the stage's script parses them back
(`add_options`, `settings_from`) with the same types, ranges and defaults.
"""

import argparse
import dataclasses
import json
import shlex
from collections.abc import Callable
from typing import Any, TypeVar

import jsonschema

from yolov3.config.schema import as_integer, is_finite, section_schema
from yolov3.errors import shown
from yolov3.files import json_value

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
            type=_value_parser(schema),
            default=tuple(map(_as_tuples, default)) if isinstance(default, list) else default,
            metavar="VALUE",
            help=f"{schema['description']} Default: {json.dumps(default)}".replace("%", "%%"),
        )


def option_words(values: dict[str, Any]) -> str:
    """Return `values` as quoted command-line words: {"lr": 0.1} gives "--lr 0.1"; None values are left out."""
    given = {name: value for name, value in values.items() if value is not None}
    return " ".join(f"--{name} {shlex.quote(_text(value))}" for name, value in given.items())


def settings_from(settings_class: type[Settings], arguments: argparse.Namespace, **more: Any) -> Settings:
    """Create a settings dataclass from parsed options of the same names; fields in `more` take priority."""
    names = [field.name for field in dataclasses.fields(settings_class)]  # type: ignore[arg-type]
    values = {name: getattr(arguments, name) for name in names if hasattr(arguments, name)}
    return settings_class(**{**values, **more})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _value_parser(schema: dict[str, Any]) -> Callable[[str], Any]:
    validator = jsonschema.Draft202012Validator(schema)
    is_text = schema.get("type") == "string" or all(isinstance(value, str) for value in schema.get("enum", [0]))

    def parse(text: str) -> Any:
        value: Any = text
        if not is_text:
            try:
                value = json_value(text.lower() if text in ("True", "False") else text)
            except ValueError:
                value = text
        if not is_finite(value):
            raise argparse.ArgumentTypeError(f"{shown(text)} is not finite ({schema['description']})")
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        if error is not None:
            # The message begins with the value.
            rule = error.message.removeprefix(repr(error.instance))
            raise argparse.ArgumentTypeError(f"{shown(error.instance)}{rule} ({schema['description']})")
        # MindSpore rejects the integer 0 where it expects a float.
        return float(value) if schema.get("type") == "number" else _as_tuples(as_integer(value, schema))

    return parse
