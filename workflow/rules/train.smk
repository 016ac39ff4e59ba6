# Training. An interrupted run leaves its state in results/train/checkpoints, which is not a declared output, so that the
# next run resumes from it.

# Stored in the checkpoint; it changes the training only if that evaluates.
CARRIED_INPUT = option_words(NETWORK_INPUT[1])
# Without validation, an edit to post-processing or metrics must not rerun the training.
VALIDATION_ROOMS = () if PLAN.has_validation else ("yolov3.evaluation",)
# What shows a running training and changes nothing in it.
SHOWING_ROOMS = ("yolov3.report", "yolov3.drawing")


rule train:
    input:
        manifest=rules.download_train.output.manifest,
        images=present(rules.download_train.output.data),
        validation=rules.download_val.output.manifest if PLAN.has_validation else [],
        validation_images=present(rules.download_val.output.data) if PLAN.has_validation else [],
        backbone=rules.convert_backbone.output.checkpoint if PLAN.has_backbone else [],
        anchors=rules.cluster_anchors.output.anchors if PLAN.clusters_anchors else [],
        kernels=rules.build_training_kernels.output.library if PLAN.has_training_kernels else [],
        rank_table=rules.rank_table.output.table if PLAN.has_rank_table else [],
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
        timed("train", PLAN.has_training)
    group:
        "train" if config["train"]["is_distributed"] else None
    conda:
        "../../envs/main.yaml"
    threads: threads_of(on_cluster=32)
    resources:
        **training_devices(),
        mem_mb=128000,
        runtime="5d",
    params:
        run=command(
            "train",
            section("network"),
            section("train"),
            top_level("device_target", "seed"),
            *([section("eval")] if PLAN.has_validation else []),
            more=CARRIED_INPUT,
            without=(*VALIDATION_ROOMS, *SHOWING_ROOMS),
        ),
        backbone=lambda wildcards, input: file_option("pretrained_backbone", input.backbone),
        anchors=lambda wildcards, input: file_option("anchors_file", input.anchors),
        kernels=lambda wildcards, input: file_option("kernel_library", input.kernels),
        rank_table=lambda wildcards, input: file_option("rank_table", input.rank_table),
    shell:
        "{params.run} {params.backbone} {params.anchors} {params.kernels} {params.rank_table}"
        ' --manifest {input.manifest:q} {input.validation:q} --ckpt_path "$(dirname {output.checkpoint:q})"'
        " --log_file {log:q}"
