# Anchors clustered from the data set's boxes: to look at, and used by the training if network.anchor_scales is auto.


rule cluster_anchors:
    input:
        manifest=rules.download_train.output.manifest,
        images=present(rules.download_train.output.data),
    output:
        anchors="results/anchors/anchors.json",
    log:
        "logs/cluster_anchors.log",
    benchmark:
        timed("cluster_anchors", PLAN.clusters_anchors)
    conda:
        "../../envs/main.yaml"
    params:
        run=command("cluster_anchors", NETWORK_INPUT, top_level("seed")),
    shell:
        "{params.run} --manifest {input.manifest:q} --output {output.anchors:q} --log_file {log:q}"
