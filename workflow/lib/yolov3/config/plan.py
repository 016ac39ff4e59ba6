"""What of the pipeline a configuration uses: everything that the rules derive from it."""

from dataclasses import dataclass
from typing import Any

from yolov3.config.config import DEVICE_OF_ENGINE


@dataclass(frozen=True)
class Plan:
    """Which stages take part, and which models the native program runs.

    Attributes:
        provider: where the data set comes from.
        trains: the network is trained here, not taken from weights.pretrained.
        has_backbone: the training starts from weights of the backbone.
        fetches_backbone: these are fetched or newly made, not a file of the user.
        has_rank_table: the training's devices are listed in a rank table.
        validates: the training evaluates the network every few epochs.
        clusters_anchors: anchors are found from the data set.
        engine, int8_engine: runtimes of the float and the int8 model.
        device, int8_device: where they run, cpu or ascend.
        backend: what quantizes.
        formats: exported formats, in lower case.
        float_source: exported format that the float model is, or is converted from.
        converts_model: that format is converted for the engine.
        float_suffix, int8_suffix: file name endings of the two models.
        uses_cann: the native program is built with CANN.
        uses_mslite_converter: MindSpore Lite's converter makes a model.
    """

    provider: str
    trains: bool
    has_backbone: bool
    fetches_backbone: bool
    has_rank_table: bool
    validates: bool
    clusters_anchors: bool
    engine: str
    int8_engine: str
    device: str
    int8_device: str
    backend: str
    formats: tuple[str, ...]
    float_source: str
    converts_model: bool
    float_suffix: str
    int8_suffix: str
    uses_cann: bool
    uses_mslite_converter: bool

    @classmethod
    def of(cls, config: dict[str, Any]) -> "Plan":
        """Derive the plan of a complete configuration."""
        train, backbone = config["train"], config["backbone"]["source"]
        engine, device = config["infer"]["engine"], config["infer"]["device"]
        backend = config["quantize"]["quant_backend"]
        trains = not config["weights"]["pretrained"]
        has_backbone = trains and backbone != "none" and not train["resume_yolov3"]
        # MindSpore Lite 2.0.0 reads ONNX on a CPU, MindIR on Ascend.
        lite_source, lite_suffix = ("mindir", "mindir") if device == "ascend" else ("onnx", "ms")
        int8_engine = {"mslite": "lite", "qdq": "openvino", "amct": "acl"}[backend]
        suffixes = {"lite": lite_suffix, "openvino": "onnx", "acl": "om"}
        return cls(
            provider=config["data"]["provider"],
            trains=trains,
            has_backbone=has_backbone,
            fetches_backbone=has_backbone and (backbone == "fresh" or "://" in backbone),
            has_rank_table=trains and bool(train["is_distributed"]) and config["device_target"] == "Ascend",
            validates=trains and train["eval_interval"] > 0,
            clusters_anchors=config["network"]["anchor_scales"] == "auto",
            engine=engine,
            int8_engine=int8_engine,
            device=device,
            int8_device=DEVICE_OF_ENGINE.get(int8_engine, device),
            backend=backend,
            formats=tuple(config["export"]["file_format"].lower().split(",")),
            float_source={"lite": lite_source, "openvino": "onnx", "acl": "air"}[engine],
            converts_model=engine != "openvino",
            float_suffix=suffixes[engine],
            int8_suffix=suffixes[int8_engine],
            uses_cann="acl" in (engine, int8_engine),
            uses_mslite_converter=engine == "lite" or backend == "mslite",
        )
