# The trained network's accuracy on the validation images.


rule eval_coco:
    input:
        script=script("eval_coco"),
        modules=module_files("eval_coco"),
        manifest=rules.download.output.manifest,
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
        "results/benchmarks/eval_coco.tsv"
    conda:
        "../../envs/main.yaml"
    threads: all_threads()
    resources:
        **devices(config["device_target"]),
    params:
        options=section_options("eval"),
        general=top_level_options("device_target", "seed"),
    shell:
        "python {input.script:q} {params.general} {params.options} --manifest {input.manifest:q}"
        ' --pretrained {input.checkpoint:q} --output_dir "$(dirname {output.metrics:q})" --log_file {log:q}'
