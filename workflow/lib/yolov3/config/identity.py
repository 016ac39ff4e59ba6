"""The settings that identify a result: a change of any of them makes the workflow compute the result again.

A value counts if it differs from the `baseline` of its key in the schema, which is the default at the time when the key
was added. So adding a key invalidates no results, and changing a default does. Two values of `tracked` change that:
`false` for keys that change how a stage runs but not what it computes, `content` for paths whose file content counts.
"""

from pathlib import Path
from typing import Any

from yolov3.config.config import section_schema
from yolov3.files import sha256_of


def tracked_values(section: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a section that identify a result; section "" holds the top-level keys."""
    schemas = section_schema(section)
    return {
        key: value
        for key, value in sorted(values.items())
        if schemas[key].get("tracked", True) is True and value != _baseline(schemas[key])
    }


def untracked_values(section: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a section that do not identify a result, if they differ from their defaults."""
    schemas = section_schema(section)
    return {
        key: value
        for key, value in sorted(values.items())
        if schemas[key].get("tracked", True) is not True and value != schemas[key]["default"]
    }


def tracked_contents(section: str, values: dict[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each file named by a key with `tracked: content`; values such as URLs stay as they are."""
    schemas = section_schema(section)
    return {
        key: sha256_of(value) if Path(value).is_file() else value
        for key, value in sorted(values.items())
        if schemas[key].get("tracked") == "content" and value != _baseline(schemas[key])
    }


def _baseline(schema: dict[str, Any]) -> Any:
    return schema.get("baseline", schema["default"])
