# The initial weights of the backbone: a Darknet weight file, converted to a MindSpore checkpoint.

SOURCE = config["backbone"]["source"]
NETWORK_OF_BACKBONE = {
    key: config["network"][key] for key in ("backbone_shape", "backbone_layers", "compatibility", "batch_norm_momentum")
}


rule fetch_backbone:
    input:
        script=script("fetch_backbone"),
        modules=module_files("fetch_backbone"),
    output:
        weights="results/backbone/darknet53.conv.74",
    log:
        "logs/fetch_backbone.log",
    benchmark:
        "results/benchmarks/fetch_backbone.tsv"
    conda:
        "../../envs/main.yaml"
    params:
        options=section_options("backbone", **NETWORK_OF_BACKBONE),
        seed=top_level_options("seed") if SOURCE == "fresh" else "",
    shell:
        "python {input.script:q} {params.options} {params.seed} --output_file {output.weights:q} --log_file {log:q}"


rule convert_backbone:
    input:
        script=script("convert_backbone"),
        modules=module_files("convert_backbone"),
        weights=rules.fetch_backbone.output.weights if SOURCE == "fresh" or "://" in SOURCE else unmanaged(SOURCE),
    output:
        checkpoint="results/backbone/darknet53.ckpt",
    log:
        "logs/convert_backbone.log",
    benchmark:
        "results/benchmarks/convert_backbone.tsv"
    conda:
        "../../envs/main.yaml"
    params:
        options=option_words(NETWORK_OF_BACKBONE),
    shell:
        "python {input.script:q} {params.options} --input_file {input.weights:q}"
        " --output_file {output.checkpoint:q} --log_file {log:q}"
