# The native program over the evaluation images: the float model and the int8 model.

# The engine of the int8 model may run elsewhere than that of the float model.
INT8_DEVICE = DEVICE_OF_ENGINE.get(INT8_ENGINE, config["infer"]["device"])
INT8_INFERENCE = {"engine": INT8_ENGINE, "device": INT8_DEVICE}
if INT8_ENGINE != "openvino":
    INT8_INFERENCE["precision"] = "float32"


rule infer_310:
    input:
        unpack(native_model),
        script=script("infer_310"),
        modules=module_files("infer_310"),
        program=rules.build_native310.output.program,
        bins=rules.preprocess_bins.output.index,
        manifest=rules.download.output.manifest,
    output:
        log=report(
            "results/infer_310/acc.log",
            caption="../report/native.rst",
            category="Accuracy",
            subcategory="native float",
        ),
        metrics="results/infer_310/metrics.json",
        detections="results/infer_310/detections.json",
        timings="results/infer_310/benchmark.json",
    log:
        "logs/infer_310.log",
    benchmark:
        "results/benchmarks/infer_310.tsv"
    conda:
        "../../envs/main.yaml"
    threads: all_threads()
    resources:
        **devices("Ascend" if IS_ASCEND else "CPU"),
    params:
        options=option_words({**config["infer"], **native_thresholds()}),
    shell:
        "python {input.script:q} {params.options} --threads {threads} --program {input.program:q}"
        ' --model {input.model:q} --bins "$(dirname {input.bins:q})" --manifest {input.manifest:q}'
        ' --output_dir "$(dirname {output.metrics:q})" --log_file {log:q}'


rule quant_infer_310:
    input:
        script=script("infer_310"),
        modules=module_files("infer_310"),
        program=rules.build_native310.output.program,
        model=rules.post_quant.output.model,
        description=rules.post_quant.output.description,
        bins=rules.preprocess_bins.output.index,
        manifest=rules.download.output.manifest,
    output:
        log=report(
            "results/quant_infer_310/acc.log",
            caption="../report/native.rst",
            category="Accuracy",
            subcategory="native int8",
        ),
        metrics="results/quant_infer_310/metrics.json",
        detections="results/quant_infer_310/detections.json",
        timings="results/quant_infer_310/benchmark.json",
    log:
        "logs/quant_infer_310.log",
    benchmark:
        "results/benchmarks/quant_infer_310.tsv"
    conda:
        "../../envs/main.yaml"
    threads: all_threads()
    resources:
        **devices("Ascend" if INT8_DEVICE == "ascend" else "CPU"),
    params:
        options=option_words({**config["infer"], **native_thresholds(), **INT8_INFERENCE}),
    shell:
        "python {input.script:q} {params.options} --threads {threads} --program {input.program:q}"
        ' --model {input.model:q} --bins "$(dirname {input.bins:q})" --manifest {input.manifest:q}'
        ' --output_dir "$(dirname {output.metrics:q})" --log_file {log:q}'
