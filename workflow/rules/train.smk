# Training. A killed run leaves its state in results/train/checkpoints, undeclared, so that the next run goes on from it.

HAS_BACKBONE = config["backbone"]["source"] != "none" and not config["train"]["resume_yolov3"]
VALIDATES = config["train"]["eval_interval"] > 0


rule train:
    input:
        script=script("train"),
        # Without evaluations in between, an edit to the post-processing does not concern the training.
        modules=module_files(
            "train",
            without=() if VALIDATES else ("yolov3.evaluation.validation", "yolov3.evaluation.evaluate"),
        ),
        manifest=rules.download.output.manifest,
        backbone=rules.convert_backbone.output.checkpoint if HAS_BACKBONE else [],
        start=unmanaged(config["train"]["resume_yolov3"]) if config["train"]["resume_yolov3"] else [],
        anchors=rules.cluster_anchors.output.anchors if CLUSTERS_ANCHORS else [],
        rank_table=rules.rank_table.output.table if HAS_RANK_TABLE else [],
    output:
        checkpoint="results/train/yolov3.ckpt",
        metrics=report(
            "results/train/metrics.csv",
            caption="../report/train_metrics.rst",
            category="Training",
            subcategory="Steps",
        ),
        summary="results/train/train.json",
    log:
        "logs/train.log",
    benchmark:
        "results/benchmarks/train.tsv"
    group:
        TRAINING_GROUP
    conda:
        "../../envs/main.yaml"
    threads: own_threads()
    resources:
        **training_devices(),
    params:
        options=section_options("network", "train"),
        general=top_level_options("device_target", "seed"),
        validation=section_options("eval") if VALIDATES else "",
        backbone=lambda wildcards, input: option_words(
            {"pretrained_backbone": input.backbone} if input.backbone else {}
        ),
        anchors=lambda wildcards, input: option_words({"anchors_file": input.anchors} if input.anchors else {}),
        rank_table=lambda wildcards, input: option_words({"rank_table": input.rank_table} if input.rank_table else {}),
    shell:
        "python {input.script:q} {params.general} {params.options} {params.validation} {params.backbone}"
        ' {params.anchors} {params.rank_table} --manifest {input.manifest:q} --ckpt_path "$(dirname {output.checkpoint:q})"'
        " --log_file {log:q}"
