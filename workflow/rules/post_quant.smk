# Post-training quantization to int8.

AMCT_KEYS = ("soc_version", "amct_python") if PLAN.backend == "amct" else ()
HAS_BOUND = config["quantize"]["max_ap_drop"] is not None and PLAN.int8_suffix in ("ms", "onnx")
KEYS = ("quant_backend", "quant_method", "skip_layers", *(("max_ap_drop", "search_images") if HAS_BOUND else ()))
QUANTIZATION = ("quantize", {**section("quantize", *KEYS, *AMCT_KEYS)[1], "quant_backend": PLAN.backend})
# On Ascend, the model normalises JPEG files itself.
INT8_INPUT = [section("infer", "input")] if PLAN.int8_device == "ascend" else []
QDQ = ("quantize", {**QUANTIZATION[1], "quant_backend": "qdq"})
USER = f"quantize.quant_backend {config['quantize']['quant_backend']}"


rule post_quant:
    input:
        unpack(exported("mindir" if PLAN.backend == "amct" else "onnx", USER)),
        calibration=rules.calibration_bins.output.index,
        images=present(rules.calibration_bins.output.images),
        checkpoint=CHECKPOINT if PLAN.backend == "amct" else [],
        manifest=rules.download_train.output.manifest if HAS_BOUND else [],
        train_images=present(rules.download_train.output.data) if HAS_BOUND else [],
        program=present(rules.build_native310.output.program) if HAS_BOUND and PLAN.backend == "mslite" else [],
        converter=rules.build_converter.output.program if PLAN.backend == "mslite" else [],
    output:
        **described(f"results/quant/{EXPORTED}_int8.{PLAN.int8_suffix}"),
        summary="results/quant/quant.json",
    log:
        "logs/post_quant.log",
    benchmark:
        timed("post_quant")
    conda:
        "../../envs/main.yaml"
    threads: threads_of(on_cluster=8)
    resources:
        runtime="4h",
    params:
        run=command("post_quant", QUANTIZATION, section("calibration"), top_level("device_target"), *INT8_INPUT),
        manifest=lambda wildcards, input: file_option("manifest", input.manifest),
        program=lambda wildcards, input: file_option("program", input.program),
        converter=lambda wildcards, input: file_option("converter", input.converter),
        checkpoint=lambda wildcards, input: file_option("ckpt_file", input.checkpoint),
    shell:
        "{params.run} {params.manifest} {params.program} {params.converter} {params.checkpoint} --model {input.model:q}"
        ' --calibration_dir "$(dirname {input.calibration:q})" --output {output.model:q} --report {output.summary:q}'
        " --log_file {log:q}"


# The second model of quant_backend auto.
use rule post_quant as post_quant_qdq with:
    input:
        unpack(exported("onnx", USER)),
        calibration=rules.calibration_bins.output.index,
        images=present(rules.calibration_bins.output.images),
        checkpoint=[],
        manifest=rules.download_train.output.manifest if HAS_BOUND else [],
        train_images=present(rules.download_train.output.data) if HAS_BOUND else [],
        program=[],
        converter=[],
    output:
        **described(f"results/quant_qdq/{EXPORTED}_int8.onnx"),
        summary="results/quant_qdq/quant.json",
    log:
        "logs/post_quant_qdq.log",
    benchmark:
        timed("post_quant_qdq", PLAN.tries_int8)
    params:
        run=command("post_quant", QDQ, section("calibration"), top_level("device_target")),
        manifest=lambda wildcards, input: file_option("manifest", input.manifest),
        program="",
        converter="",
        checkpoint="",


# Those of quantize.quant_backend; the first one is that of PLAN.backend.
INT8_RULES = [rules.post_quant, rules.post_quant_qdq] if PLAN.tries_int8 else [rules.post_quant]
INT8_MODELS = {name: [rule.output[name] for rule in INT8_RULES] for name in ("model", "description", "summary")}
