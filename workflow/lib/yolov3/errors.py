"""Errors that the user can fix."""

from typing import Any

MAX_SHOWN = 200


class InputError(Exception):
    """An error outside the program: in a file, an option or the host.

    The message is one sentence: what is wrong, where, and what to do. Stages print it without a traceback and exit with
    code 1.
    """


def shown(value: Any) -> str:
    """Return a value of the user as part of an error: cut if it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        # Python writes no integer of more than 4,300 digits.
        return f"an enormous {type(value).__name__}"
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def first_line(error: Any) -> str:
    """Return the first non-empty line of an error's message, or the name of its type."""
    lines = [line.strip(" -\t") for line in str(error).splitlines()]
    return next((line for line in lines if line), type(error).__name__)
