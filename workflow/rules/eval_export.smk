# COCO metrics of each exported model that MindSpore or ONNX Runtime runs.

EVALUATED_FORMATS = [name for name in PLAN.formats if name != "air"]


rule eval_export:
    input:
        manifest=rules.download_val.output.manifest,
        images=present(rules.download_val.output.data),
        model=f"results/export/{EXPORTED}.{{format}}",
        description=f"results/export/{EXPORTED}.{{format}}.json",
    output:
        log="results/eval_export/{format}/acc.log",
        metrics="results/eval_export/{format}/metrics.json",
        detections="results/eval_export/{format}/detections.json",
    log:
        "logs/eval_export_{format}.log",
    wildcard_constraints:
        format="|".join(EVALUATED_FORMATS),
    conda:
        "../../envs/main.yaml"
    threads: all_threads(on_cluster=8)
    resources:
        **devices(config["device_target"]),
        mem_mb=32000,
        runtime="4h",
    params:
        run=command("eval_coco", section("eval"), top_level("device_target", "seed"), without=("yolov3.native",)),
    shell:
        "{params.run} --manifest {input.manifest:q} --pretrained {input.model:q}"
        ' --output_dir "$(dirname {output.metrics:q})" --log_file {log:q}'


rule eval_exports:
    input:
        expand("results/eval_export/{format}/metrics.json", format=EVALUATED_FORMATS),
