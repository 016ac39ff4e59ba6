import argparse
import shlex
from dataclasses import dataclass

import pytest

from yolov3.config.config import complete_config
from yolov3.config.options import add_options, option_words, settings_from


def parsed(section, words, only=()):
    parser = argparse.ArgumentParser()
    add_options(parser, section, only)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    "section", ["data", "network", "train", "eval", "report", "backbone", "rank_table", "coco2014"]
)
def test_a_section_survives_the_command_line(section):
    values = complete_config({})[section]
    arguments = vars(parsed(section, shlex.split(option_words(values))))
    as_lists = {
        key: list(map(list, value))
        if value and isinstance(value, tuple) and isinstance(value[0], tuple)
        else list(value)
        if isinstance(value, tuple)
        else value
        for key, value in arguments.items()
    }
    assert as_lists == values


def test_words_with_spaces_quotes_and_other_letters_stay_whole():
    values = {"mirror": "file:///a b/c'd/ü/"}
    assert parsed("coco2014", shlex.split(option_words(values))).mirror == values["mirror"]


def test_defaults_by_hand_are_those_of_the_config():
    assert vars(parsed("train", []))["lr"] == complete_config({})["train"]["lr"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--lr", "-1"], "lr"),
        (["--lr_scheduler", "step"], "lr_scheduler"),
        (["--max_epoch", "1.5"], "max_epoch"),
        (["--is_distributed", "2"], "is_distributed"),
    ],
)
def test_the_range_of_the_schema_holds_on_the_command_line(words, part, capsys):
    with pytest.raises(SystemExit):
        parsed("train", words)
    assert part in capsys.readouterr().err


def test_settings_take_the_options_of_their_fields():
    @dataclass(frozen=True)
    class Some:
        lr: float
        extra: int
        other: int = 7

    assert settings_from(Some, parsed("train", ["--lr", "0.5"]), extra=3) == Some(0.5, 3, 7)
    assert settings_from(Some, parsed("train", ["--lr", "0.5"]), lr=0.1, extra=3) == Some(0.1, 3, 7)
    with pytest.raises(TypeError, match="extra"):
        settings_from(Some, parsed("train", []))


def test_null_is_an_option_that_is_not_given():
    assert option_words({"testing_shape": None, "letterbox": False}) == "--letterbox false"
    defaults = parsed("eval", [])
    assert (defaults.testing_shape, defaults.letterbox) == (None, None)
    given = parsed("eval", ["--testing_shape", "null", "--letterbox", "null"])
    assert (given.testing_shape, given.letterbox) == (None, None)
    given = parsed("eval", ["--testing_shape", "96.0", "--letterbox", "True"])
    assert (repr(given.testing_shape), given.letterbox) == ("96", True)
    with pytest.raises(SystemExit):
        parsed("eval", ["--testing_shape", "100"])
