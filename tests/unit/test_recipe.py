"""Defaults by situation."""

import re
from pathlib import Path

import pytest
import yaml

from yolov3.config.config import complete_config, network_input
from yolov3.config.identity import tracked_values
from yolov3.config.recipe import recipe_text, situation_defaults
from yolov3.config.schema import config_schema

OF_THE_EPOCHS = ("T_max", "warmup_epochs", "ema_epochs")
TRAINING_PAGE = Path(__file__).parents[2] / "docs" / "training.md"

OWN = {
    "data": {"provider": "custom"},
    "custom": {
        f"{split}_{kind}": f"/data/{split}" for split in ("train", "val") for kind in ("image_dir", "annotations")
    },
}


def own(**sections):
    return complete_config({**OWN, **sections})


def published(section):
    return {key: rule["default"] for key, rule in config_schema()["properties"][section]["properties"].items()}


@pytest.mark.parametrize("config", [{}, {"data": {"provider": "coco2014"}}, {**OWN, "recipe": "published"}])
def test_published_is_the_schema(config):
    config = complete_config(config)
    assert config["recipe"] == "published"
    assert config["train"] == published("train")
    assert {"size": "full", **config["network"]} == published("network")
    assert not network_input(config)["letterbox"]


@pytest.mark.parametrize("config", [OWN, {**OWN, "recipe": None}, {"recipe": "modern"}])
def test_own_data_or_the_config_choose_modern(config):
    config = complete_config(config)
    assert config["recipe"] == "modern"
    assert config["network"]["anchor_scales"] == "auto"
    assert (config["train"]["optimizer"], config["train"]["scale_max"]) == ("adamw", 1.3)
    assert network_input(config)["letterbox"]


@pytest.mark.parametrize("section", ["train", "network"])
def test_the_page_of_the_training_lists_what_modern_sets(section):
    """Those that depend on the number of epochs are told in words."""
    row = re.search(rf"^\| `{section}` \| (.*) \|$", TRAINING_PAGE.read_text(encoding="utf-8"), re.MULTILINE)[1]
    told = {key: yaml.safe_load(value) for key, value in re.findall(r"`(\w+): ([^`]+)`", row)}
    defaults = situation_defaults(OWN)[section]
    assert told == {key: value for key, value in defaults.items() if key not in OF_THE_EPOCHS}


def test_what_the_config_gives_has_priority():
    config = own(train={"lr": 0.01, "T_max": 7, "scale_max": 2}, eval={"letterbox": False})
    assert (config["train"]["lr"], config["train"]["T_max"], config["train"]["scale_max"]) == (0.01, 7, 2)
    assert config["train"]["scale_min"] == 0.8
    assert not network_input(config)["letterbox"]


@pytest.mark.parametrize(("epochs", "warm_up", "averaged"), [(9, 1.125, 0.3), (24, 3, 0.8), (300, 4, 5)])
def test_the_schedule_follows_the_number_of_epochs(epochs, warm_up, averaged):
    train = own(train={"max_epoch": epochs})["train"]
    assert [train[key] for key in OF_THE_EPOCHS] == [epochs, warm_up, pytest.approx(averaged)]
    assert (own()["train"]["T_max"], own()["train"]["warmup_epochs"]) == (own()["train"]["max_epoch"], 4)


@pytest.mark.parametrize(("epochs", "milestones"), [(320, "220,250"), (64, "44,50"), (3, "2"), (2, "1"), (1, "")])
def test_the_published_schedule_follows_the_number_of_epochs(epochs, milestones):
    train = complete_config({"train": {"max_epoch": epochs}})["train"]
    assert train == {**published("train"), "max_epoch": epochs, "lr_epochs": milestones}
    cosine = {"max_epoch": epochs, "lr_scheduler": "cosine_annealing"}
    assert complete_config({"train": cosine})["train"] == {**published("train"), **cosine, "T_max": epochs}
    assert own(train={"max_epoch": epochs, "lr_scheduler": "exponential"})["train"]["lr_epochs"] == milestones
    given = {"max_epoch": epochs, "lr_scheduler": "cosine_annealing", "T_max": 7}
    assert complete_config({"train": given})["train"]["T_max"] == 7


def test_another_optimizer_or_loss_has_its_own_defaults():
    schema = published("train")
    momentum = own(train={"optimizer": "momentum"})["train"]
    assert (momentum["lr"], momentum["weight_decay"]) == (schema["lr"], schema["weight_decay"])
    squared = own(train={"box_loss": "published"})["train"]
    assert (squared["box_weight"], own(train={"box_loss": "giou"})["train"]["box_weight"]) == (1, 4)
    for train in (momentum, squared):
        assert (train["objectness_prior"], train["per_batch_size"]) == (0.01, 4)


@pytest.mark.parametrize(
    ("network", "rate"),
    [
        ({}, 0.001),
        ({"size": "slim"}, 0.004),
        ({"size": "tiny"}, 0.004),
        ({"backbone_shape": [16, 32, 64, 128, 256]}, 0.004),
        ({"size": "slim", "backbone_shape": [32, 64, 128, 256, 512]}, 0.002),
    ],
)
def test_the_rate_follows_the_width_of_the_network(network, rate):
    assert own(network=network)["train"]["lr"] == rate


def test_finetuning_keeps_the_batch_normalisation():
    config = own(train={"resume_yolov3": "yolov3.ckpt"})
    assert config["train"]["lr"] == 0.001
    assert config["network"] == {**own()["network"], "batch_norm_momentum": 0.99}


def test_weights_to_use_as_they_are_keep_their_network():
    config = own(weights={"pretrained": "yolov3.ckpt"})
    assert {"size": "full", **config["network"]} == published("network")


@pytest.mark.parametrize(
    ("size", "channels", "blocks"),
    [
        ("full", [64, 128, 256, 512, 1024], [1, 2, 8, 8, 4]),
        ("slim", [16, 32, 64, 128, 256], [1, 1, 2, 2, 1]),
        ("tiny", [8, 16, 32, 64, 128], [1, 1, 1, 1, 1]),
    ],
)
def test_the_networks_by_size(size, channels, blocks):
    """Checkpoints of users have these sizes, so they stay."""
    network = complete_config({"network": {"size": size}})["network"]
    assert (network["backbone_shape"], network["backbone_layers"]) == (channels, blocks)


def test_sizes_are_lists_of_channels_and_blocks():
    slim = complete_config({"network": {"size": "slim", "backbone_layers": [1, 1, 1, 1, 1]}})["network"]
    assert slim["backbone_shape"] == [16, 32, 64, 128, 256]
    assert slim["backbone_layers"] == [1, 1, 1, 1, 1]
    assert "size" not in slim
    assert tracked_values("network", slim)["backbone_shape"] == slim["backbone_shape"]
    assert tracked_values("network", complete_config({"network": {"size": "full"}})["network"]) == {}


def test_the_chosen_values_are_listed_without_those_of_the_config():
    assert recipe_text({}) == ""
    expected = "recipe published and network.size slim choose network.backbone_shape [16, 32, 64, 128, 256]"
    assert recipe_text({"network": {"size": "slim", "backbone_layers": [1] * 5}}) == expected
    text = recipe_text({**OWN, "train": {"lr": 0.5}})
    assert text.startswith(
        "recipe modern and network.size full choose network.anchor_scales auto, network.batch_norm_momentum"
    )
    assert "train.optimizer adamw" in text and "train.lr " not in text
