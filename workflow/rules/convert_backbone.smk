# Initial weights of the backbone: a Darknet weight file, converted to a MindSpore checkpoint.

BACKBONE = section("network", "backbone_shape", "backbone_layers", "compatibility", "batch_norm_momentum")
FRESH_SEED = top_level("seed") if config["backbone"]["source"] == "fresh" else top_level()


rule fetch_backbone:
    output:
        weights="results/backbone/darknet53.conv.74",
    log:
        "logs/fetch_backbone.log",
    benchmark:
        timed("fetch_backbone", PLAN.fetches_backbone)
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        run=command("fetch_backbone", section("backbone"), BACKBONE, FRESH_SEED),
    shell:
        "{params.run} --output_file {output.weights:q} --log_file {log:q}"


rule convert_backbone:
    input:
        weights=rules.fetch_backbone.output.weights if PLAN.fetches_backbone else [],
    output:
        checkpoint="results/backbone/darknet53.ckpt",
    log:
        "logs/convert_backbone.log",
    benchmark:
        timed("convert_backbone", PLAN.has_backbone)
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        run=command("convert_backbone", BACKBONE),
        source="" if PLAN.fetches_backbone else contents_of("backbone", "source"),
        weights=lambda wildcards, input: file_option("input_file", input.weights or config["backbone"]["source"]),
    shell:
        "{params.run} {params.weights} --output_file {output.checkpoint:q} --log_file {log:q}"
