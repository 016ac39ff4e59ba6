"""Format of the lines in logs and on the terminal."""

import re
import time
from typing import TextIO

LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"
# A log line: level and message.
LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ([A-Z]+) (.*)$", re.MULTILINE)
# A log line of an error: time and message.
ERROR_LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) ERROR (.*)$", re.MULTILINE)
# Environment variable that is set for stages of a workflow that shows when they start, end and fail.
WATCHED = "YOLOV3_WATCHED"
_ERASE_LINE = "\r\033[K"


def stage_line(stage: str, text: str, stream: TextIO) -> str:
    """Return a line about a stage of a workflow, which on a terminal replaces the progress bar of another process."""
    return f"{_ERASE_LINE if stream.isatty() else ''}{time.strftime('%H:%M:%S')} {stage}: {text}"


def duration_text(seconds: float) -> str:
    """Return a duration in its two largest units, such as "3 min 05 s"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"
