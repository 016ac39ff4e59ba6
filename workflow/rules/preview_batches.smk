# A picture of the first training batches, to look at before a long training; the report shows it too.

# The settings of the training that its data depend on.
BATCH_OPTIONS = (
    *("training_shape", "resize_rate", "per_batch_size", "accumulation", "group_size"),
    *("max_box", "assignment_iou", "use_empty_images"),
    *("jitter", "scale_min", "scale_max", "flip", "hue", "saturation", "value"),
    # Not plain_epochs, as the first epoch is never one of the last without mosaic and mixup.
    *("mosaic", "mixup"),
)


rule preview_batches:
    input:
        manifest=rules.download_train.output.manifest,
        images=present(rules.download_train.output.data),
        anchors=rules.cluster_anchors.output.anchors if PLAN.clusters_anchors else [],
    output:
        picture="results/preview/batches.jpg",
    log:
        "logs/preview_batches.log",
    benchmark:
        timed("preview_batches", PLAN.has_training)
    conda:
        "../../envs/main.yaml"
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        run=command(
            "preview_batches",
            section("network", "anchor_scales"),
            section("train", *BATCH_OPTIONS),
            top_level("seed"),
        ),
        anchors=lambda wildcards, input: file_option("anchors_file", input.anchors),
    shell:
        "{params.run} {params.anchors} --manifest {input.manifest:q} --output {output.picture:q} --log_file {log:q}"
