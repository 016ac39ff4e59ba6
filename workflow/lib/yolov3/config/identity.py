"""Which settings identify a result: those that can change it, where they differ from what results already have.

The schema gives each key a `baseline`, the value at which it does not count: its default when it was added. So a new
key makes no result again, and a changed default does. `tracked` says otherwise: false for a key that changes how a
stage runs, not what it computes, and content for a path of which only the content of the file counts.
"""

from pathlib import Path
from typing import Any

from yolov3.config.config import section_schema
from yolov3.files import sha256_of


def tracked_values(section: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return those of a section's values that identify a result; section "" holds the keys outside of sections."""
    schemas = section_schema(section)
    return {
        key: value
        for key, value in sorted(values.items())
        if schemas[key].get("tracked", True) is True and value != _baseline(schemas[key])
    }


def untracked_values(section: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return those of a section's values that do not count themselves, where they differ from their defaults."""
    schemas = section_schema(section)
    return {
        key: value
        for key, value in sorted(values.items())
        if schemas[key].get("tracked", True) is not True and value != schemas[key]["default"]
    }


def tracked_contents(section: str, values: dict[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of the files that a section's values name; other values, such as a URL, as they are."""
    schemas = section_schema(section)
    return {
        key: sha256_of(value) if Path(value).is_file() else value
        for key, value in sorted(values.items())
        if schemas[key].get("tracked") == "content" and value != _baseline(schemas[key])
    }


def _baseline(schema: dict[str, Any]) -> Any:
    return schema.get("baseline", schema["default"])
