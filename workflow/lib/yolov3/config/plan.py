"""The parts of the pipeline that a configuration uses, derived once for all rules."""

from dataclasses import dataclass
from typing import Any

from yolov3.config.engines import AUTO, DEVICE_OF_ENGINE


@dataclass(frozen=True)
class Plan:
    """The stages that take part, and the models that the native program runs.

    Attributes:
        provider: source of the data set, as data.provider.
        has_training: whether the network is trained, instead of taken from weights.pretrained.
        has_backbone: whether the training starts from backbone weights.
        fetches_backbone: whether these weights are downloaded or initialised, instead of read from a user's file.
        has_rank_table: whether a rank table lists the devices of the training.
        has_training_kernels: whether the training has operators of its own, which are built.
        has_validation: whether the training evaluates the network every few epochs.
        clusters_anchors: whether the anchors are clustered from the data set.
        engine, int8_engine: runtimes of the float and the int8 model.
        device, int8_device: devices that they run on, cpu or ascend.
        backend: quantization backend; the first one if the fastest of two is to be found.
        tries_int8: whether the int8 models of back ends mslite and qdq are compared, and the faster one is taken.
        formats: exported formats, in lower case.
        float_source: exported format that the engine runs or that is converted for it.
        converts_model: whether the exported model is converted for the engine.
        reads_jpeg: whether the native program reads JPEG files instead of bins.
        float_suffix, int8_suffix: file name extensions of the two models.
        uses_cann: whether the native program is built with CANN.
        uses_mslite_converter: whether MindSpore Lite's converter is needed.
    """

    provider: str
    has_training: bool
    has_backbone: bool
    fetches_backbone: bool
    has_rank_table: bool
    has_training_kernels: bool
    has_validation: bool
    clusters_anchors: bool
    engine: str
    int8_engine: str
    device: str
    int8_device: str
    backend: str
    tries_int8: bool
    formats: tuple[str, ...]
    float_source: str
    converts_model: bool
    reads_jpeg: bool
    float_suffix: str
    int8_suffix: str
    uses_cann: bool
    uses_mslite_converter: bool

    @classmethod
    def of(cls, config: dict[str, Any]) -> "Plan":
        """Derive the plan from a configuration that `complete_config` returned."""
        train, backbone = config["train"], config["backbone"]["source"]
        engine, device = config["infer"]["engine"], config["infer"]["device"]
        tries_int8 = config["quantize"]["quant_backend"] == AUTO
        backend = "mslite" if tries_int8 else config["quantize"]["quant_backend"]
        has_training = not config["weights"]["pretrained"]
        has_backbone = has_training and backbone != "none" and not train["resume_yolov3"]
        # MindSpore Lite 2.0.0 runs models converted from ONNX on a CPU, from MindIR on Ascend.
        lite_source, lite_suffix = ("mindir", "mindir") if device == "ascend" else ("onnx", "ms")
        int8_engine = AUTO if tries_int8 else {"mslite": "lite", "qdq": "openvino", "amct": "acl"}[backend]
        suffixes = {"lite": lite_suffix, AUTO: lite_suffix, "openvino": "onnx", "acl": "om"}
        return cls(
            provider=config["data"]["provider"],
            has_training=has_training,
            has_backbone=has_backbone,
            fetches_backbone=has_backbone and (backbone == "fresh" or "://" in backbone),
            has_rank_table=has_training and bool(train["is_distributed"]) and config["device_target"] == "Ascend",
            has_training_kernels=has_training and train["cpu_kernels"] == "onednn",
            has_validation=has_training and train["eval_interval"] > 0,
            clusters_anchors=config["network"]["anchor_scales"] == "auto",
            engine=engine,
            int8_engine=int8_engine,
            device=device,
            int8_device=DEVICE_OF_ENGINE.get(int8_engine, device),
            backend=backend,
            tries_int8=tries_int8,
            formats=tuple(config["export"]["file_format"].lower().split(",")),
            float_source={"lite": lite_source, AUTO: lite_source, "openvino": "onnx", "acl": "air"}[engine],
            converts_model=engine != "openvino",
            reads_jpeg=config["infer"]["input"] == "jpeg",
            float_suffix=suffixes[engine],
            int8_suffix=suffixes[int8_engine],
            uses_cann="acl" in (engine, int8_engine),
            uses_mslite_converter=engine in ("lite", AUTO) or backend == "mslite",
        )
