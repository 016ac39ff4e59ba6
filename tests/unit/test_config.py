from pathlib import Path

import pytest
import yaml

from yolov3.config.config import complete_config, network_input, refuse_double_keys
from yolov3.config.schema import config_schema, section_schema
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
    for text, value in (("True", True), ("False", False), ("false", False)):
        assert complete_config({"data": {"skip_bad_images": text}})["data"]["skip_bad_images"] is value
    assert complete_config({"eval": {"testing_shape": "None"}})["eval"]["testing_shape"] is None
    for text in ("[" * 100_000, "9" * 5000):
        with pytest.raises(InputError, match=r"config key eval\.testing_shape is"):
            complete_config({"eval": {"testing_shape": text}})
    config = complete_config({"eval": {"testing_shape": "null", "letterbox": None}})
    assert (config["eval"]["testing_shape"], config["eval"]["letterbox"]) == (None, None)
    assert complete_config({"train": {"training_shape": "416"}})["train"]["training_shape"] == 416
    assert complete_config({"network": {"backbone_shape": [16.0, 32.0, 64, 128, 256]}})["network"][
        "backbone_shape"
    ] == [16, 32, 64, 128, 256]


def test_anchors_of_the_data_or_as_text():
    assert complete_config({"network": {"anchor_scales": "auto"}})["network"]["anchor_scales"] == "auto"
    nine = [[size, size + 1] for size in range(1, 10)]
    assert complete_config({"network": {"anchor_scales": str(nine)}})["network"]["anchor_scales"] == nine


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_the_configs_we_ship_are_valid(path):
    complete_config(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("name", ["ascend", "gpu", "cpu"])
def test_modern_elements_go_on_top_of_a_coco_config(name):
    base, modern = (
        yaml.safe_load((ROOT / "config" / f"coco2014_{part}.yaml").read_text(encoding="utf-8"))
        for part in (name, "modern")
    )
    config = complete_config({**base, **{section: {**base[section], **modern[section]} for section in modern}})
    assert config["train"]["T_max"] == config["train"]["max_epoch"] == 300
    assert config["train"]["lr"] == base["train"]["lr"]
    assert config["eval"]["testing_shape"] == 416


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
        ({"train": {"lr": 0}}, ["train.lr", "0", "greater than 0"]),
        ({"train": {"lr_scheduler": "step"}}, ["train.lr_scheduler", "exponential, cosine_annealing"]),
        ({"train": {"training_shape": 100}}, ["training_shape", "100", "multiple of 32"]),
        ({"train": {"training_shape": 0}}, ["training_shape", "at least 32"]),
        ({"train": {"training_shape": "-32"}}, ["training_shape is -32", "at least 32"]),
        ({"train": {"training_shape": "320000"}}, ["training_shape", "at most 4096"]),
        ({"train": {"lr": float("nan")}}, ["train.lr is nan", "finite"]),
        ({"train": {"scale_max": "Infinity"}}, ["train.scale_max is inf", "finite"]),
        ({"seed": float("inf")}, ["seed is inf", "finite"]),
        ({"network": {"anchor_scales": [[float("nan"), 1]] * 9}}, ["network.anchor_scales", "finite"]),
        ({"train": {"max_epoch": 5, "eval_interval": 6}}, ["train.eval_interval", "exceed train.max_epoch", "5"]),
        (
            {"train": {"is_distributed": 1, "group_size": 3, "hosts": "a, b"}},
            ["train.group_size is 3", "divisible by the number of hosts", "2"],
        ),
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
        ({"train": {"warmup_momentum": 0.95}}, ["warmup_momentum is 0.95", "train.momentum, which is 0.9"]),
        (
            {"train": {"warmup_momentum": 0.5, "warmup_epochs": 1, "optimizer": "adamw"}},
            ["train.warmup_momentum is 0.5", "optimizer is adamw"],
        ),
        ({"train": {"warmup_momentum": 0.5}}, ["train.warmup_momentum is 0.5", "train.warmup_epochs is 0"]),
        ({"train": {"warmup_bias_lr": 0.1}}, ["train.warmup_bias_lr is 0.1", "train.warmup_epochs is 0"]),
        ({"train": {"patience": 5}}, ["train.patience is 5", "train.eval_interval is 0", "validation AP"]),
        (
            {"train": {"freeze_backbone": 1}, "backbone": {"source": "none"}},
            ["train.freeze_backbone is 1", "random weights", "train.resume_yolov3"],
        ),
        (
            {"train": {"freeze_backbone": 1}, "backbone": {"source": "fresh"}},
            ["train.freeze_backbone is 1", "random weights", "train.resume_yolov3"],
        ),
        ({"train": {"resume_yolov3": "yolov3.weights"}}, ["train.resume_yolov3 is yolov3.weights", "docs/weights.md"]),
        ({"train": {"cpu_kernels": "onednn", "amp_level": "O2"}}, ["train.cpu_kernels is onednn", "amp_level is O2"]),
        ({"train": {"cpu_kernels": "onednn", "sync_batch_norm": 1}}, ["cpu_kernels is onednn", "sync_batch_norm is 1"]),
        (
            {"train": {"cpu_kernels": "onednn"}, "device_target": "GPU"},
            ["cpu_kernels is onednn", "device_target is GPU"],
        ),
        (
            {"train": {"cpu_kernels": "onednn"}, "network": {"compatibility": "modelzoo"}},
            ["train.cpu_kernels is onednn", "network.compatibility is modelzoo, and needs darknet"],
        ),
        ({"train": {"nesterov": 1, "momentum": 0}}, ["train.momentum is 0", "train.nesterov is 1"]),
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


ANCHORS = [[10, 13], [16, 30], [33, 23], [30, 61], [62, 45], [59, 119], [116, 90], [156, 198], [373, 326]]
PATHS = dict.fromkeys(("train_image_dir", "train_annotations", "val_image_dir", "val_annotations"), "somewhere")


@pytest.mark.parametrize(
    "config",
    [
        {"train": {"training_shape": 32}},
        {"train": {"training_shape": ""}},
        {"train": {"scale_min": 2, "scale_max": 2}},
        {"train": {"max_epoch": 10, "lr_epochs": "3,9", "warmup_epochs": 10}},
        {"train": {"max_epoch": 10, "lr_epochs": "220,250", "lr_scheduler": "cosine_annealing"}},
        {"train": {"lr_epochs": ""}},
        {"train": {"lr": 0.01, "eta_min": 0.01}},
        {"train": {"max_epoch": 10, "lr_epochs": "5", "plain_epochs": 9, "mosaic": 1, "mixup": 1}},
        {"train": {"is_distributed": 1, "group_size": 2}},
        {"train": {"is_distributed": 1, "group_size": 2, "hosts": "one,two"}},
        {"train": {"group_size": 1, "is_distributed": 0}},
        {"train": {"warmup_momentum": 0.9, "momentum": 0.9, "warmup_epochs": 0.5, "warmup_bias_lr": 0.1}},
        {"train": {"patience": 5, "eval_interval": 1}},
        {"train": {"freeze_backbone": 1}},
        {"train": {"freeze_backbone": 1, "resume_yolov3": "old.ckpt"}, "backbone": {"source": "none"}},
        # Only the sums of three areas grow with the stride.
        {"network": {"anchor_scales": [[9, 9], [1, 1], [1, 1], *[[8, 8]] * 3, *[[8, 8]] * 3]}},
        {"weights": {"pretrained": "yolov3.weights"}, "network": {"anchor_scales": ANCHORS}},
        {"infer": {"engine": "openvino", "precision": "bfloat16"}},
        {"infer": {"engine": "acl", "device": "ascend"}},
        {"infer": {"engine": "lite", "device": "ascend"}},
        {"data": {"provider": "custom"}, "custom": PATHS},
    ],
)
def test_limits_themselves_are_allowed(config):
    completed = complete_config(config)
    for section, values in config.items():
        assert {key: completed[section][key] for key in values} == values


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"train": {"scale_min": 2.01, "scale_max": 2}}, ["train.scale_min is 2.01", "train.scale_max, which is 2"]),
        ({"train": {"warmup_epochs": 320.5}}, ["train.warmup_epochs is 320.5", "max_epoch, which is 320"]),
        ({"train": {"max_epoch": 10, "lr_epochs": "5,10"}}, ["train.lr_epochs is 5,10", "max_epoch, which is 10"]),
        ({"train": {"lr_epochs": "5,5"}}, ["train.lr_epochs is 5,5", "ascend"]),
        ({"train": {"plain_epochs": 320}}, ["train.plain_epochs is 320", "less than train.max_epoch, which is 320"]),
        ({"train": {"lr": 0.01, "eta_min": 0.011}}, ["train.eta_min is 0.011", "train.lr, which is 0.01"]),
        ({"train": {"hosts": "one,two"}}, ["train.hosts is one,two", "is_distributed is 0"]),
        ({"network": {"anchor_scales": [*ANCHORS[3:6], *ANCHORS[:3], *ANCHORS[6:]]}}, ["anchor_scales", "grow"]),
        ({"network": {"anchor_scales": [*ANCHORS[:3], *ANCHORS[6:], *ANCHORS[3:6]]}}, ["anchor_scales", "grow"]),
        ({"network": {"anchor_scales": [[50, 50], *[[9, 9]] * 8]}}, ["anchor_scales", "grow"]),
        # Nearly square ones of the larger side, but a smaller area.
        ({"network": {"anchor_scales": [[20, 20]] * 3 + [[30, 10]] * 3 + [[40, 40]] * 3}}, ["anchor_scales", "grow"]),
        ({"infer": {"precision": "bfloat16"}}, ["infer.precision", "infer.engine is lite", "openvino"]),
        ({"infer": {"engine": "acl", "device": "cpu"}}, ["infer.device is cpu", "acl", "ascend only"]),
        *(
            ({"data": {"provider": "custom"}, "custom": {**PATHS, name: ""}}, [f"custom.{name} is empty"])
            for name in PATHS
        ),
    ],
)
def test_just_beyond_a_limit_is_refused(config, words):
    with pytest.raises(InputError) as raised:
        complete_config(config)
    assert [word for word in words if word not in str(raised.value)] == []


@pytest.mark.parametrize(
    ("config", "start"),
    [
        ({"train": {"lr": 20}}, "config key train.lr is 20 but must be at most 10 ("),
        ({"train": {"momentum": 1}}, "config key train.momentum is 1 but must be less than 1 ("),
        ({"train": {"lr": 0}}, "config key train.lr is 0 but must be greater than 0 ("),
        ({"train": {"max_epoch": 0}}, "config key train.max_epoch is 0 but must be at least 1 ("),
        ({"train": {"max_epoch": 1.5}}, "config key train.max_epoch is 1.5 but must be of type integer ("),
        (
            {"train": {"training_shape": 4.5}},
            "config key train.training_shape is 4.5 but must be of type string, integer",
        ),
        ({"train": {"optimizer": "sgd"}}, "config key train.optimizer is 'sgd' but must be one of momentum, adamw ("),
        ({"eval": {"testing_shape": 40}}, "config key eval.testing_shape is 40 but must be a multiple of 32 ("),
        ({"data": {"data_dir": ""}}, "config key data.data_dir is '' but must not be empty ("),
        (
            {"network": {"backbone_layers": [1] * 4}},
            "config key network.backbone_layers is [1, 1, 1, 1] but must have at least 5 entries",
        ),
        (
            {"network": {"backbone_layers": [1] * 6}},
            "config key network.backbone_layers is [1, 1, 1, 1, 1, 1] but must have at most 5 entries",
        ),
        (
            {"network": {"backbone_layers": [1, 1, 1, 1, 0]}},
            "config key network.backbone_layers.4 is 0 but must be at least 1",
        ),
        (
            {"coco2014": {"mirror": "ftp://x"}},
            "config key coco2014.mirror is 'ftp://x' but must match ^(https?|file)://",
        ),
        ({"device_target": "TPU"}, "config key device_target is 'TPU' but must be one of CPU, GPU, Ascend ("),
        ({"trian": {}}, "config key trian is unknown: did you mean train?"),
        ({"trian": {"lr": "0.1"}}, "config key trian is unknown: did you mean train?"),
        ({"seed": {"lr": "0.1"}}, "config key seed is {'lr': '0.1'} but must be of type integer ("),
        (
            {"data": {"provider": "custom"}},
            "config key custom.train_image_dir is empty but data.provider is custom: set it to a path, or "
            "custom.folder to the folder of the whole data set",
        ),
        (
            {"train": {"loss_scaler": "dynamic"}},
            "config key train.loss_scaler is dynamic but train.amp_level is O0, in which gradients do not overflow: ",
        ),
        (
            {"train": {"group_size": 2}},
            "config key train.group_size is 2 but train.is_distributed is 0: set it to 1",
        ),
        ({"data": {"zzz": 1}}, "config key data.zzz is unknown: allowed are provider, data_dir, check_images, skip"),
    ],
)
def test_sentences_of_the_schema(config, start):
    with pytest.raises(InputError) as raised:
        complete_config(config)
    assert str(raised.value)[: len(start)] == start


def test_a_sentence_ends_with_the_meaning_of_the_key():
    with pytest.raises(InputError, match=r" \([A-Z][^()]*[^.]\)$"):
        complete_config({"train": {"lr": 20}})
    with pytest.raises(InputError, match=r"but must be at least 1$"):
        complete_config({"network": {"backbone_layers": [1, 1, 1, 1, 0]}})


def test_keys_of_a_section_and_outside_of_sections():
    assert list(section_schema("bins")) == ["bins_dtype", "bins_layout"]
    assert list(section_schema("")) == ["device_target", "seed", "preflight"]


def test_a_config_keeps_its_own_values_and_takes_the_others_from_the_defaults():
    config = {"seed": 4, "train": {"lr": 0.5}}
    completed = complete_config(config)
    defaults = complete_config({})
    assert completed == {**defaults, "seed": 4, "train": {**defaults["train"], "lr": 0.5}}
    assert config == {"seed": 4, "train": {"lr": 0.5}}


def test_texts_that_look_like_numbers_stay_texts_where_text_is_wanted():
    completed = complete_config(
        {"train": {"lr_epochs": "100"}, "report": {"title": "7"}, "custom": {"val_image_dir": "1"}}
    )
    assert completed["train"]["lr_epochs"] == "100"
    assert completed["report"]["title"] == "7"
    assert completed["custom"]["val_image_dir"] == "1"


@pytest.mark.parametrize("value", [8.0, "8.0", "8", "0.8e1"])
def test_a_whole_number_is_an_integer(value):
    found = complete_config({"train": {"per_batch_size": value}})["train"]["per_batch_size"]
    assert (found, type(found)) == (8, int)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, (416, False)),
        ({"train": {"training_shape": 128}}, (128, False)),
        ({"train": {"training_shape": "128"}, "eval": {"letterbox": True}}, (128, True)),
        ({"train": {"training_shape": 128}, "eval": {"testing_shape": 96}}, (96, False)),
        ({"weights": {"pretrained": "yolov3.weights"}, "train": {"training_shape": 128}}, (416, True)),
        ({"weights": {"pretrained": "https://example.org/yolov3.weights"}, "eval": {"letterbox": False}}, (416, False)),
        ({"weights": {"pretrained": "modelzoo.ckpt"}, "eval": {"testing_shape": 608}}, (608, False)),
    ],
)
def test_a_workflow_evaluates_as_it_trains(config, expected):
    found = network_input(complete_config(config))
    assert (found["testing_shape"], found["letterbox"]) == expected
    assert [type(value) for value in found.values()] == [int, bool]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"infer": {"engine": "auto", "device": "ascend"}}, "infer.engine auto runs on cpu only"),
        ({"infer": {"engine": "auto", "precision": "bfloat16"}}, "infer.engine is auto: use openvino"),
        ({"infer": {"device": "ascend"}, "quantize": {"quant_backend": "auto"}}, "auto compares engines of a CPU"),
    ],
)
def test_engines_are_compared_on_cpus_only(config, said):
    with pytest.raises(InputError, match=said):
        complete_config(config)


@pytest.mark.parametrize(
    "value", [int("9" * 400), 16**5000, [[1, 16**5000]]], ids=["400 digits", "6020 digits", "list"]
)
def test_integers_of_many_digits_are_refused(value):
    with pytest.raises(InputError, match=r"config key train\.lr is .* but must be finite") as caught:
        complete_config({"train": {"lr": value}})
    assert len(str(caught.value)) < 400


def test_a_list_that_contains_itself_is_refused():
    with pytest.raises(InputError, match="nested too deeply"):
        complete_config(yaml.safe_load("network: {anchor_scales: &a [*a]}"))


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("train: {lr: 0.1}\ntrain: {lr: 0.2}\n", "train", 1),
        ("seed: 1\neval:\n  letterbox: true\n  letterbox: false\n", "letterbox", 3),
        ('{"a": [{"b": 1},\n{"c": 1, "c": 2}]}', "c", 2),
    ],
)
def test_a_key_given_twice_is_refused(tmp_path, text, key, line):
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8-sig")
    with pytest.raises(
        InputError, match=f"config.yaml has the key {key} twice in the mapping that begins at line {line}"
    ):
        refuse_double_keys(path)


def test_a_mapping_may_be_used_twice(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("a: &x {b: 1}\nc: {<<: *x, b: 2}\nd: [*x, *x]\n")
    refuse_double_keys(path)


@pytest.mark.parametrize(
    ("section", "key"),
    [("infer", "engine"), ("quantize", "quant_backend")],
)
def test_engines_are_compared_on_bins_only(section, key):
    with pytest.raises(InputError, match=f"{section}.{key} is auto but infer.input is jpeg .*: choose one"):
        complete_config(
            {section: {key: "auto"}, "infer": {"input": "jpeg"} | ({key: "auto"} if section == "infer" else {})}
        )
