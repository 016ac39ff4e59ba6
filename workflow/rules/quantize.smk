# The models that the native program runs: float, converted for its engine, and int8.

ENGINE = config["infer"]["engine"]
IS_ASCEND = config["infer"]["device"] == "ascend"
BACKEND = config["quantize"]["quant_backend"]
# Engine: format exported for it, suffix that it runs. MindSpore Lite 2.0.0 on a CPU reads ONNX, on Ascend MindIR.
EXPORTED_FOR = {"lite": "mindir" if IS_ASCEND else "onnx", "openvino": "onnx", "acl": "air"}
SUFFIX_OF = {"lite": "mindir" if IS_ASCEND else "ms", "acl": "om"}
AMCT_KEYS = ("soc_version", "amct_python")
INT8_SUFFIX = {"mslite": SUFFIX_OF["lite"], "qdq": "onnx", "amct": "om"}[BACKEND]
INT8_ENGINE = {"mslite": "lite", "qdq": "openvino", "amct": "acl"}[BACKEND]
FLOAT_MODEL = exported(EXPORTED_FOR[ENGINE], f"infer.engine {ENGINE}")


if ENGINE in SUFFIX_OF:

    rule convert_model:
        input:
            unpack(FLOAT_MODEL),
            script=script("convert_model"),
            modules=module_files("convert_model"),
            converter=rules.build_converter.output.program if ENGINE == "lite" else [],
        output:
            **described(f"results/native_model/{EXPORTED}.{SUFFIX_OF[ENGINE]}"),
        log:
            "logs/convert_model.log",
        benchmark:
            "results/benchmarks/convert_model.tsv"
        conda:
            "../../envs/main.yaml"
        params:
            options=option_words(
                {"soc_version": config["quantize"]["soc_version"]}
                if ENGINE == "acl"
                else {"optimize": "ascend_oriented" if IS_ASCEND else "general"}
            ),
            converter=lambda wildcards, input: option_words({"converter": input.converter} if input.converter else {}),
        shell:
            "python {input.script:q} {params.options} {params.converter} --model {input.model:q}"
            " --output {output.model:q} --log_file {log:q}"


rule post_quant:
    input:
        unpack(exported("mindir" if BACKEND == "amct" else "onnx", f"quantize.quant_backend {BACKEND}")),
        script=script("post_quant"),
        modules=module_files("post_quant"),
        calibration=rules.calibration_bins.output.index,
        checkpoint=CHECKPOINT if BACKEND == "amct" else [],
        converter=rules.build_converter.output.program if BACKEND == "mslite" else [],
    output:
        **described(f"results/quant/{EXPORTED}_int8.{INT8_SUFFIX}"),
        summary="results/quant/quant.json",
    log:
        "logs/post_quant.log",
    benchmark:
        "results/benchmarks/post_quant.tsv"
    conda:
        "../../envs/main.yaml"
    threads: own_threads()
    params:
        options=option_words(
            {key: value for key, value in config["quantize"].items() if BACKEND == "amct" or key not in AMCT_KEYS}
        ),
        general=top_level_options("device_target"),
        converter=lambda wildcards, input: option_words({"converter": input.converter} if input.converter else {}),
        checkpoint=lambda wildcards, input: option_words({"ckpt_file": input.checkpoint} if input.checkpoint else {}),
    shell:
        "python {input.script:q} {params.general} {params.options} {params.converter} {params.checkpoint}"
        ' --model {input.model:q} --calibration_dir "$(dirname {input.calibration:q})"'
        " --output {output.model:q} --report {output.summary:q} --log_file {log:q}"
