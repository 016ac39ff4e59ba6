"""Which settings identify a result: those that can change it, where they differ from what results already have.

The schema gives each key a `baseline`, the value at which it does not count: its default when it was added. So a new
key makes no result again, and a changed default does. `tracked` says otherwise: false for a key that changes how a
stage runs, not what it computes, and content for a path of which only the content of the file counts.
"""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from yolov3.config.config import section_schema
from yolov3.config.options import option_words
from yolov3.config.sources import code_digest
from yolov3.files import sha256_of


class Command(str):
    """A command line whose `repr` is what identifies the result: that is what Snakemake compares of a parameter."""

    identity: str

    def __repr__(self) -> str:
        """Return the identity."""
        return self.identity


def stage_command(
    program: Path, code_without: Iterable[str], sections: Iterable[tuple[str, dict[str, Any]]], more: str = ""
) -> Command:
    """Return the command line of a stage, with all options that differ from their defaults.

    Args:
        program: the stage's script.
        code_without: modules or rooms that it does not use, see `module_digests`.
        sections: names of config sections, "" for the keys outside of them, with the values to pass on.
        more: options that identify no result, as words.
    """
    words = [f"python {shlex.quote(str(program))}", more]
    identity = [f"code {code_digest(program, code_without)}"]
    for section, values in sections:
        schemas = section_schema(section)
        words.append(option_words({key: value for key, value in values.items() if value != schemas[key]["default"]}))
        identity.append(option_words({**tracked_values(section, values), **tracked_contents(section, values)}))
    command = Command(" ".join(filter(None, words)))
    command.identity = " ".join(filter(None, identity))
    return command


def tracked_values(section: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return those of a section's values that identify a result; section "" holds the keys outside of sections."""
    schemas = section_schema(section)
    return {
        key: value
        for key, value in sorted(values.items())
        if schemas[key].get("tracked", True) is True and value != _baseline(schemas[key])
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
