# Trained weights from elsewhere, used instead of a training.


rule convert_weights:
    input:
        manifest=rules.download_train.output.manifest,
    output:
        checkpoint="results/weights/yolov3.ckpt",
        summary="results/weights/yolov3.json",
    log:
        "logs/convert_weights.log",
    benchmark:
        timed("convert_weights", not PLAN.has_training)
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        run=command("convert_weights", section("network"), section("weights")),
    shell:
        "{params.run} --manifest {input.manifest:q} --output_file {output.checkpoint:q} --log_file {log:q}"


# The checkpoint that is evaluated, exported and quantized.
CHECKPOINT = rules.train.output.checkpoint if PLAN.has_training else rules.convert_weights.output.checkpoint
