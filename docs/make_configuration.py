"""Write the tables of configuration.md from the schema of the configuration: python docs/make_configuration.py."""

import json
from pathlib import Path
from typing import Any

from yolov3.config.schema import config_schema, section_keys

PAGE = Path(__file__).with_name("configuration.md")
MARK = "<!-- From here on written by `make docs` from workflow/schemas/config.schema.yaml. -->\n"
IS_TRACKED = {True: "yes", False: "no", "content": "by content"}
BOUNDS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}


def page(text: str) -> str:
    """Return the page: its introduction as in `text`, then tables for the keys outside of sections and each section."""
    schema = config_schema()
    sections = [name for name, rule in schema["properties"].items() if rule.get("type") == "object"]
    parts = [text.partition(MARK)[0] + MARK, "## General\n\n" + table("")]
    parts += [f"## {name}\n\n{schema['properties'][name]['description']}\n\n{table(name)}" for name in sections]
    return "\n".join(parts)


def table(section: str) -> str:
    """Return the keys of a section as a Markdown table."""
    rows = ["| Key | Value | Default | Reruns | Meaning |", "|---|---|---|---|---|"]
    for key, rule in section_keys(section).items():
        tracked = "by the keys it sets" if rule.get("preset") else IS_TRACKED[rule.get("tracked", True)]
        if rule.get("baseline", rule["default"]) != rule["default"]:
            tracked += f", unless {code(rule['baseline'])}"
        cells = [f"`{key}`", allowed(rule), code(rule["default"]), tracked, rule["description"]]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def allowed(rule: dict[str, Any]) -> str:
    """Return in words which values a rule allows."""
    if "enum" in rule:
        return ", ".join(map(code, rule["enum"]))
    types = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    return " or ".join(allowed_of_type(kind, rule) for kind in types)


def allowed_of_type(kind: str, rule: dict[str, Any]) -> str:
    """Return in words which values of one JSON type a rule allows."""
    if kind == "array":
        return f"list{f' of {length}' if (length := rule.get('minItems')) else ''}: {allowed(rule['items'])}"
    if kind == "object":
        return f"names, each with: {allowed(rule['additionalProperties'])}"
    if kind == "string":
        return f"text, `{rule['pattern']}`" if "pattern" in rule else "text"
    if kind in ("boolean", "null"):
        return "`true`, `false`" if kind == "boolean" else "`null`"
    bounds = [f"{word} {rule[name]}" for name, word in BOUNDS.items() if name in rule]
    multiple = [f"a multiple of {rule['multipleOf']}"] if "multipleOf" in rule else []
    return ", ".join([" ".join([kind, *bounds]), *multiple])


def code(value: Any) -> str:
    """Return a value as it is written in a config."""
    return f"`{json.dumps(value) if not isinstance(value, str) or not value else value}`"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
