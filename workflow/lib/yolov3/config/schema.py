"""The schema of the configuration: types, ranges and defaults of all settings."""

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml


@lru_cache(maxsize=1)
def config_schema() -> dict[str, Any]:
    """Return the JSON schema of the configuration."""
    text = Path(__file__).with_name("config.schema.yaml").read_text(encoding="utf-8")
    # Every stage and every call of Snakemake reads it: the loader in C takes 8 ms instead of 170.
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def section_keys(section: str) -> dict[str, Any]:
    """Return the schema of each key of a section, in order; section "" holds the top-level keys."""
    properties = config_schema()["properties"]
    rules = properties[section]["properties"] if section else properties
    return {key: rule for key, rule in rules.items() if "properties" not in rule}


def section_schema(section: str) -> dict[str, Any]:
    """Return the schema of each option of a section: all keys but presets, which only choose defaults of others."""
    return {key: rule for key, rule in section_keys(section).items() if not rule.get("preset")}


def as_integer(value: Any, rule: dict[str, Any]) -> Any:
    """Convert 8.0 to 8 where the schema expects an integer, in lists too: JSON Schema takes such floats as integers."""
    if isinstance(value, list):
        return [as_integer(item, rule.get("items", {})) for item in value]
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole and "integer" in rule.get("type", "") else value


def is_finite(value: Any) -> bool:
    """Return whether a value, or each item of a list, is a finite number if it is a number.

    Others pass bounds of JSON Schema (NaN, infinity) or cannot be converted to float (integers of over 308 digits).
    """
    if isinstance(value, list):
        return all(map(is_finite, value))
    try:
        return not isinstance(value, int | float) or math.isfinite(value)
    except OverflowError:
        return False
