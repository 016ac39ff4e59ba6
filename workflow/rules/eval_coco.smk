# COCO metrics of the trained network on the validation images.

EVALUATION_KEYS = [key for key in config["eval"] if key not in NETWORK_INPUT]


rule eval_coco:
    input:
        manifest=rules.download_val.output.manifest,
        images=present(rules.download_val.output.images),
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
        code=code("eval_coco"),
        options=options_of("eval", *EVALUATION_KEYS),
        input=option_words(NETWORK_INPUT),
        general=top_level_options("device_target", "seed"),
    shell:
        "python {SCRIPTS:q}/eval_coco.py {params.general} {params.options} {params.input} --manifest {input.manifest:q}"
        ' --pretrained {input.checkpoint:q} --output_dir "$(dirname {output.metrics:q})" --log_file {log:q}'
