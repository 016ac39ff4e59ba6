"""How the report writes numbers and smooths curves."""

import numpy as np
import pytest

from yolov3.log_lines import duration_text
from yolov3.report.page import config_sections
from yolov3.report.plots import moving_average
from yolov3.report.templates import accuracy_text, count_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (4.23, "4.2 s"),
        (9.97, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (192.4, "3 min 12 s"),
        (3599.7, "1 h 00 min"),
        (3725, "1 h 02 min"),
        (46800, "13 h 00 min"),
    ],
)
def test_duration(seconds, text):
    assert duration_text(seconds) == text


def test_numbers():
    assert accuracy_text(0.31149) == "0.311"
    assert accuracy_text(0) == "0.000"
    assert accuracy_text(-1) == "–"
    assert count_text(999) == "999"
    assert count_text(62001757) == "62\u202f001\u202f757"


def test_moving_average_keeps_length_and_level():
    assert moving_average(np.full(9, 3.0), 4) == pytest.approx(np.full(9, 3.0))
    assert moving_average(np.array([0.0, 3.0, 6.0, 9.0]), 3) == pytest.approx([1.5, 3, 6, 7.5])


def test_config_is_told_by_section_with_other_defaults():
    sections = dict(config_sections({"seed": 4, "train": {"lr": 0.002, "momentum": 0.9, "resume_yolov3": ""}}))
    assert [value.key for value in sections["general"]] == ["seed"]
    rate, momentum, resume = sections["train"]
    assert (rate.value, rate.default) == ("0.002", "0.001")
    assert (momentum.value, momentum.default) == ("0.9", None)
    assert resume.value == "(empty)"
