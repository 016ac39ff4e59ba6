# Anchors clustered from the data set's boxes: to look at, and used by the training if network.anchor_scales is auto.


rule cluster_anchors:
    input:
        manifest=rules.download_train.output.manifest,
        images=present(rules.download_train.output.images),
    output:
        anchors="results/anchors/anchors.json",
    log:
        "logs/cluster_anchors.log",
    benchmark:
        timed("cluster_anchors", PLAN.clusters_anchors)
    conda:
        "../../envs/main.yaml"
    params:
        code=code("cluster_anchors"),
        options=option_words(NETWORK_INPUT),
        seed=top_level_options("seed"),
    shell:
        "python {SCRIPTS:q}/cluster_anchors.py {params.options} {params.seed} --manifest {input.manifest:q}"
        " --output {output.anchors:q} --log_file {log:q}"
