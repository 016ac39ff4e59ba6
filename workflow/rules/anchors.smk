# Anchors that fit the data set's boxes: shown to choose from, and taken by the training if network.anchor_scales is auto.

CLUSTERS_ANCHORS = config["network"]["anchor_scales"] == "auto"


rule cluster_anchors:
    input:
        script=script("cluster_anchors"),
        modules=module_files("cluster_anchors"),
        manifest=rules.download.output.manifest,
    output:
        anchors="results/anchors/anchors.json",
    log:
        "logs/cluster_anchors.log",
    benchmark:
        "results/benchmarks/cluster_anchors.tsv"
    conda:
        "../../envs/main.yaml"
    params:
        options=option_words(network_input()),
        seed=top_level_options("seed"),
    shell:
        "python {input.script:q} {params.options} {params.seed} --manifest {input.manifest:q}"
        " --output {output.anchors:q} --log_file {log:q}"
