"""Keys of the config that have no effect."""

import pytest

from yolov3.config.config import complete_config
from yolov3.config.unused import COUNTS_WITH, unused_keys

COSINE, EXPONENTIAL = {"lr_scheduler": "cosine_annealing"}, {"lr_scheduler": "exponential"}


def sentences(train, recipe="published"):
    return unused_keys(train, complete_config({"recipe": recipe, "train": train})["train"])


@pytest.mark.parametrize(
    ("train", "recipe", "sentence"),
    [
        (
            {"nesterov": 1},
            "modern",
            "train.nesterov has no effect, because train.optimizer is adamw: remove it, or set ",
        ),
        (
            {"lr_epochs": "40,50"},
            "modern",
            "train.lr_epochs has no effect, because train.lr_scheduler is cosine_anneal",
        ),
        (
            {**COSINE, "lr_gamma": 0.5},
            "published",
            "train.lr_gamma has no effect, because train.lr_scheduler is cosine",
        ),
        ({"T_max": 50}, "published", "train.T_max has no effect, because train.lr_scheduler is exponential: remove"),
        ({"eta_min": 1e-5}, "published", "train.eta_min has no effect, because train.lr_scheduler is exponential"),
        ({"eta_min_share": 0.05}, "published", "train.eta_min_share has no effect, because train.lr_scheduler is exp"),
        (
            {"plain_epochs": 5},
            "modern",
            "train.plain_epochs has no effect without train.mosaic or train.mixup: set one",
        ),
    ],
)
def test_what_has_no_effect_is_said(train, recipe, sentence):
    (found,) = sentences(train, recipe)
    assert f"config key {sentence}" in found


@pytest.mark.parametrize(
    ("train", "recipe"),
    [
        ({}, "published"),
        ({}, "modern"),
        ({"nesterov": 1}, "published"),
        ({"nesterov": 1, "optimizer": "momentum"}, "modern"),
        ({"nesterov": 0}, "modern"),
        ({"eta_min": 0, "eta_min_share": 0}, "published"),
        ({**EXPONENTIAL, "lr_epochs": "40,50", "lr_gamma": 0.5}, "modern"),
        ({**COSINE, "T_max": 50, "eta_min": 1e-5, "eta_min_share": 0.05}, "published"),
        ({"mixup": 0.5, "plain_epochs": 5}, "modern"),
    ],
)
def test_nothing_is_said_of_what_counts(train, recipe):
    assert sentences(train, recipe) == []


def test_each_value_is_one_of_the_schema():
    for other, value in COUNTS_WITH.values():
        assert complete_config({"train": {other: value}})["train"][other] == value
