# Initial weights of the backbone: a Darknet weight file, converted to a MindSpore checkpoint.

BACKBONE_KEYS = ("backbone_shape", "backbone_layers", "compatibility", "batch_norm_momentum")


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
        code=code("fetch_backbone"),
        source=contents_of("backbone", "source"),
        options=options_of("backbone"),
        network=options_of("network", *BACKBONE_KEYS),
        seed=top_level_options("seed") if config["backbone"]["source"] == "fresh" else "",
    shell:
        "python {SCRIPTS:q}/fetch_backbone.py {params.options} {params.network} {params.seed} {UNTRACKED[backbone]}"
        " --output_file {output.weights:q} --log_file {log:q}"


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
        code=code("convert_backbone"),
        source="" if PLAN.fetches_backbone else contents_of("backbone", "source"),
        options=options_of("network", *BACKBONE_KEYS),
        weights=lambda wildcards, input: file_option("input_file", input.weights or config["backbone"]["source"]),
    shell:
        "python {SCRIPTS:q}/convert_backbone.py {params.options} {params.weights}"
        " --output_file {output.checkpoint:q} --log_file {log:q}"
