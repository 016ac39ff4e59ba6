from pathlib import Path

import pytest
import yaml

from yolov3.config.config import complete_config, config_schema
from yolov3.errors import InputError

ROOT = Path(__file__).parents[2]


def test_an_empty_config_takes_the_published_defaults():
    config = complete_config({})
    assert config["train"]["max_epoch"] == 320
    assert config["train"]["loss_scale"] == 1024
    assert config["network"]["anchor_scales"][0] == [10, 13]


def test_numbers_that_yaml_and_snakemake_read_as_text():
    config = complete_config({"seed": "7", "train": {"lr": "1e-4", "label_smooth": "1"}, "eval": {"letterbox": "true"}})
    assert config["seed"] == 7
    assert config["train"]["lr"] == 0.0001
    assert config["train"]["label_smooth"] == 1
    assert config["eval"]["letterbox"] is True
    config = complete_config({"eval": {"testing_shape": "null", "letterbox": None}})
    assert (config["eval"]["testing_shape"], config["eval"]["letterbox"]) == (None, None)
    assert complete_config({"train": {"training_shape": "416"}})["train"]["training_shape"] == "416"


def test_anchors_of_the_data_or_as_text():
    assert complete_config({"network": {"anchor_scales": "auto"}})["network"]["anchor_scales"] == "auto"
    nine = [[size, size + 1] for size in range(1, 10)]
    assert complete_config({"network": {"anchor_scales": str(nine)}})["network"]["anchor_scales"] == nine


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_the_configs_we_ship_are_valid(path):
    complete_config(yaml.safe_load(path.read_text()))


def test_every_key_has_a_description_and_a_default():
    for section, schema in config_schema()["properties"].items():
        assert schema["description"], section
        for key, rule in schema.get("properties", {}).items():
            assert rule["description"].endswith("."), f"{section}.{key}"
            assert "default" in rule, f"{section}.{key}"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"train": {"lr_gama": 0.1}}, ["train.lr_gama", "unknown", "lr_gamma"]),
        ({"trian": {}}, ["trian", "train"]),
        ({"train": {"lr": "fast"}}, ["train.lr", "'fast'", "number"]),
        ({"train": {"lr": 0}}, ["train.lr", "0", "above 0"]),
        ({"train": {"lr_scheduler": "step"}}, ["train.lr_scheduler", "exponential, cosine_annealing"]),
        ({"train": {"training_shape": 100}}, ["training_shape", "100", "multiple of 32"]),
        ({"train": {"training_shape": 0}}, ["training_shape", "at least 32"]),
        ({"eval": {"testing_shape": 100}}, ["eval.testing_shape", "multiple of 32"]),
        ({"network": {"anchor_scales": [[1, 1]] * 8}}, ["network.anchor_scales", "at least 9"]),
        ({"network": {"anchor_scales": [[9 - i, 9 - i] for i in range(9)]}}, ["anchor_scales", "grow"]),
        ({"network": {"anchor_scales": "atuo"}}, ["network.anchor_scales", "'atuo'", "auto"]),
        ({"train": {"max_epoch": 10, "lr_epochs": "5,20"}}, ["train.lr_epochs", "5,20", "below", "10"]),
        ({"train": {"max_epoch": 300, "lr_epochs": "250,220"}}, ["train.lr_epochs", "ascend"]),
        ({"train": {"warmup_epochs": 400}}, ["warmup_epochs", "400", "max_epoch"]),
        ({"train": {"scale_min": 3}}, ["scale_min", "scale_max"]),
        ({"train": {"eta_min": 1}}, ["eta_min", "train.lr"]),
        ({"train": {"group_size": 2}}, ["group_size", "is_distributed"]),
        ({"train": {"rank": 1}}, ["train.rank is 1", "group_size"]),
        (
            {"weights": {"pretrained": "yolov3.weights"}, "network": {"anchor_scales": "auto"}},
            ["network.anchor_scales", "weights.pretrained", "nine anchors"],
        ),
        ({"infer": {"engine": "openvino", "device": "ascend"}}, ["infer.device", "ascend", "openvino", "cpu only"]),
        ({"infer": {"engine": "acl"}}, ["infer.device", "cpu", "acl", "ascend only"]),
        ({"data": {"provider": "custom"}}, ["custom.train_image_dir", "empty"]),
        ({"data": 3}, ["data", "object"]),
        ({"seed": -1}, ["seed", "-1", "at least 0"]),
        ([], ["empty", "config/config.yaml"]),
    ],
)
def test_one_sentence_names_key_value_and_what_is_allowed(config, words):
    with pytest.raises(InputError) as raised:
        complete_config(config)
    message = str(raised.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("value", [8.0, "8.0", "8", "0.8e1"])
def test_a_whole_number_is_an_integer(value):
    found = complete_config({"train": {"per_batch_size": value}})["train"]["per_batch_size"]
    assert (found, type(found)) == (8, int)
