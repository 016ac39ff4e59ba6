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


# Options of the original train.py that keep the default which its documentation gives.
PUBLISHED = {
    "training_shape": "",
    "per_batch_size": 32,
    "max_epoch": 320,
    "lr": 0.001,
    "lr_scheduler": "exponential",
    "lr_epochs": "220,250",
    "lr_gamma": 0.1,
    "eta_min": 0.0,
    "T_max": 320,
    "warmup_epochs": 0.0,
    "weight_decay": 0.0005,
    "momentum": 0.9,
    "loss_scale": 1024.0,
    "label_smooth": 0,
    "label_smooth_factor": 0.1,
    "log_interval": 100,
    "is_save_on_master": 1,
    "need_profiler": 0,
    "group_size": 1,
    "resume_yolov3": "",
}


def test_options_left_out_have_the_published_values():
    arguments = vars(parsed("train", []))
    assert {name: arguments[name] for name in PUBLISHED} == PUBLISHED


def test_options_by_hand_are_read_with_their_types():
    words = ["--lr", "1e-4", "--max_epoch", "3", "--lr_epochs", "1,2", "--training_shape", "416", "--loss_scale", "1"]
    arguments = vars(parsed("train", words))
    values = {"lr": 0.0001, "max_epoch": 3, "lr_epochs": "1,2", "training_shape": 416, "loss_scale": 1.0}
    assert {name: (arguments[name], type(arguments[name])) for name in values} == {
        name: (value, type(value)) for name, value in values.items()
    }


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--lr", "-1"], "lr"),
        (["--lr_scheduler", "step"], "lr_scheduler"),
        (["--max_epoch", "1.5"], "max_epoch"),
        (["--lr", "NaN"], "lr: 'NaN' is not finite"),
        (["--scale_max", "1e999"], "scale_max: '1e999' is not finite"),
        (["--is_distributed", "2"], "is_distributed"),
        (["--lr", "[" * 100_000], "lr: '[[[[["),
        (["--lr", "9" * 5000], "9... is not of type 'number'"),
        (["--lr", "9" * 400], "9... is not finite"),
    ],
)
def test_the_range_of_the_schema_holds_on_the_command_line(words, part, capsys):
    with pytest.raises(SystemExit):
        parsed("train", words)
    error = capsys.readouterr().err
    assert part in error and len(error) < 20_000


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
