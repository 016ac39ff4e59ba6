# Inference and evaluation by the native program: the float model and the int8 model.

THRESHOLDS = section("eval", "eval_ignore_threshold", "nms_thresh", "max_detections", "multi_label")
# The int8 model may need another engine and device than the float model.
INT8_INFERENCE = {"engine": PLAN.int8_engine, "device": PLAN.int8_device}
if PLAN.int8_engine != "openvino":
    INT8_INFERENCE["precision"] = "float32"
# JPEG files are those of the data set.
BINS = [] if PLAN.reads_jpeg else rules.preprocess_bins.output.index
IMAGES = rules.download_val.output.data if PLAN.reads_jpeg else rules.preprocess_bins.output.images


rule infer_310:
    input:
        unpack(native_model),
        program=rules.build_native310.output.program,
        bins=BINS,
        images=present(IMAGES),
        manifest=rules.download_val.output.manifest,
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
        raw_maps=raw_maps("infer_310"),
    log:
        "logs/infer_310.log",
    benchmark:
        timed("infer_310")
    conda:
        "../../envs/main.yaml"
    threads: all_threads(on_cluster=8)
    resources:
        **devices("Ascend" if PLAN.device == "ascend" else "CPU"),
        runtime="12h",
    params:
        run=command("infer_310", section("infer"), THRESHOLDS),
        bins=bins_option,
    shell:
        "{params.run} --threads {threads} --program {input.program:q} --model {input.model:q}"
        " {params.bins} --manifest {input.manifest:q}"
        ' --output_dir "$(dirname {output.metrics:q})" --log_file {log:q}'


use rule infer_310 as quant_infer_310 with:
    input:
        model=INT8_MODELS["model"],
        description=INT8_MODELS["description"],
        program=rules.build_native310.output.program,
        bins=BINS,
        images=present(IMAGES),
        manifest=rules.download_val.output.manifest,
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
        raw_maps=raw_maps("quant_infer_310"),
    log:
        "logs/quant_infer_310.log",
    benchmark:
        timed("quant_infer_310")
    resources:
        **devices("Ascend" if PLAN.int8_device == "ascend" else "CPU"),
        runtime="12h",
    params:
        run=command("infer_310", ("infer", {**config["infer"], **INT8_INFERENCE}), THRESHOLDS),
        bins=bins_option,
