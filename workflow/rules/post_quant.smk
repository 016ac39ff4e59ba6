# Post-training quantization to int8.

AMCT_KEYS = ("soc_version", "amct_python") if PLAN.backend == "amct" else ()
QUANTIZATION = section("quantize", "quant_backend", "quant_method", "skip_layers", *AMCT_KEYS)


rule post_quant:
    input:
        unpack(exported("mindir" if PLAN.backend == "amct" else "onnx", f"quantize.quant_backend {PLAN.backend}")),
        calibration=rules.calibration_bins.output.index,
        images=present(rules.calibration_bins.output.images),
        checkpoint=CHECKPOINT if PLAN.backend == "amct" else [],
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
        run=command("post_quant", QUANTIZATION, top_level("device_target")),
        converter=lambda wildcards, input: file_option("converter", input.converter),
        checkpoint=lambda wildcards, input: file_option("ckpt_file", input.checkpoint),
    shell:
        "{params.run} {params.converter} {params.checkpoint} --model {input.model:q}"
        ' --calibration_dir "$(dirname {input.calibration:q})" --output {output.model:q} --report {output.summary:q}'
        " --log_file {log:q}"
