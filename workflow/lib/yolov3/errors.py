"""The error that a user can mend."""


class InputError(Exception):
    """Something outside the program is wrong: a file, an option, the host.

    The message is one sentence that says what was found, where, and what to do. Stages print it without a traceback
    and exit with code 1.
    """
