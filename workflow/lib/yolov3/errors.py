"""The error that a user can fix."""

from typing import Any


class InputError(Exception):
    """Something outside the program is wrong: a file, an option, the host.

    The message is one sentence that says what was found, where, and what to do. Stages print it without a traceback
    and exit with code 1.
    """


def first_line(error: Any) -> str:
    """Return the first line of an error's message that says something."""
    lines = [line.strip(" -\t") for line in str(error).splitlines()]
    return next((line for line in lines if line), type(error).__name__)
