"""The form of the lines in logs and on the terminal."""

import re
import time
from typing import TextIO

LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"
# A line in a log, with its level and text.
LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ([A-Z]+) (.*)$", re.MULTILINE)
# An error in a log, with its time and sentence.
ERROR_LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) ERROR (.*)$", re.MULTILINE)
# Environment variable: the stage runs in a workflow that shows when it starts, ends and fails.
WATCHED = "YOLOV3_WATCHED"
_ERASE_LINE = "\r\033[K"


def stage_line(stage: str, text: str, stream: TextIO) -> str:
    """Return a line about a stage of a workflow; on a terminal it takes the place of another process's progress bar."""
    return f"{_ERASE_LINE if stream.isatty() else ''}{time.strftime('%H:%M:%S')} {stage}: {text}"


def duration_text(seconds: float) -> str:
    """Return a time as people say it, in its two largest units."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"
