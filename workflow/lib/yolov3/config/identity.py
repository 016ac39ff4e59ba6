"""Commands of stages, and the settings that identify their results: if one changes, the stage runs again.

A value counts if it differs from the `baseline` of its key in the schema, which is the default at the time when the key
was added. So adding a key invalidates no results, and changing a default does. Two values of `tracked` change that:
`false` for keys that change how a stage runs but not what it computes, `content` for paths whose file content counts.
"""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from yolov3.config.options import option_words
from yolov3.config.schema import section_schema
from yolov3.config.sources import code_digest
from yolov3.files import sha256_of


class Command(str):
    """A command line whose `repr`, by which Snakemake compares parameters, is the identity of its result."""

    identity: str

    def __repr__(self) -> str:
        """Return the identity."""
        return self.identity


def stage_command(
    program: Path,
    code_without: Iterable[str],
    sections: Iterable[tuple[str, dict[str, Any]]],
    more: str = "",
    content: str = "",
) -> Command:
    """Return the command line of a stage, with all options that differ from their defaults.

    Args:
        program: script of the stage.
        code_without: modules that it does not use, see `module_digests`.
        sections: names of config sections, "" for top-level keys, and the values to pass on.
        more: further options as command-line words, which do not identify the result.
        content: digest of further files that do.
    """
    words = [f"python {shlex.quote(str(program))}", more]
    identity = [f"code {code_digest(program, code_without)}"]
    for section, values in sections:
        schemas = section_schema(section)
        words.append(option_words({key: value for key, value in values.items() if value != schemas[key]["default"]}))
        identity.append(option_words({**tracked_values(section, values), **tracked_contents(section, values)}))
    command = Command(" ".join(filter(None, words)))
    command.identity = " ".join(filter(None, [*identity, content]))
    return command


def tracked_values(section: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a section that identify a result; section "" holds the top-level keys."""
    schemas = section_schema(section)
    return {
        key: value
        for key, value in sorted(values.items())
        if schemas[key].get("tracked", True) is True and value != _baseline(schemas[key])
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
