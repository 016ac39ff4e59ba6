# COCO metrics of the trained network on the validation images.


rule eval_coco:
    input:
        manifest=rules.download_val.output.manifest,
        images=present(rules.download_val.output.data),
        checkpoint=CHECKPOINT,
    output:
        log=report(
            "results/eval_coco/acc.log",
            caption="../report/eval_coco.rst",
            category="Accuracy",
            subcategory="MindSpore",
        ),
        metrics="results/eval_coco/metrics.json",
        detections="results/eval_coco/detections.json",
    log:
        "logs/eval_coco.log",
    benchmark:
        timed("eval_coco")
    conda:
        "../../envs/main.yaml"
    threads: all_threads(on_cluster=8)
    resources:
        **devices(config["device_target"]),
        mem_mb=32000,
        runtime="4h",
    params:
        # A checkpoint needs neither the native program nor the runners of exported models.
        run=command(
            "eval_coco",
            section("eval"),
            top_level("device_target", "seed"),
            without=("yolov3.native", "yolov3.export.runners"),
        ),
    shell:
        "{params.run} --manifest {input.manifest:q} --pretrained {input.checkpoint:q}"
        ' --output_dir "$(dirname {output.metrics:q})" --log_file {log:q}'
