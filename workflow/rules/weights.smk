# Whole trained weights from elsewhere, in place of a training.

PRETRAINED = config["weights"]["pretrained"]
TRAINS = not PRETRAINED


rule convert_weights:
    input:
        script=script("convert_weights"),
        modules=module_files("convert_weights"),
        manifest=rules.download.output.manifest,
        weights=unmanaged(PRETRAINED) if PRETRAINED and "://" not in PRETRAINED else [],
    output:
        checkpoint="results/weights/yolov3.ckpt",
        summary="results/weights/yolov3.json",
    log:
        "logs/convert_weights.log",
    benchmark:
        "results/benchmarks/convert_weights.tsv"
    conda:
        "../../envs/main.yaml"
    params:
        options=section_options("network"),
        source=lambda wildcards, input: option_words({"pretrained": input.weights or PRETRAINED}),
    shell:
        "python {input.script:q} {params.options} {params.source} --manifest {input.manifest:q}"
        " --output_file {output.checkpoint:q} --log_file {log:q}"


# What is evaluated, exported and quantized.
CHECKPOINT = rules.train.output.checkpoint if TRAINS else rules.convert_weights.output.checkpoint
