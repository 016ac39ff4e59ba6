# The page of the data set: classes, boxes against anchors, images that look alike, boxes to look at.

DATA_TEMPLATES = [WORKFLOW_DIR / "lib" / "yolov3" / "report" / name for name in ("data.html.j2", "style.css.j2")]


rule data_report:
    input:
        manifest=rules.download.output.manifest,
        train_images=present(rules.download_train.output.data),
        val_images=present(rules.download_val.output.data),
        anchors=rules.cluster_anchors.output.anchors if PLAN.clusters_anchors else [],
    output:
        page=report("results/data_report/data.html", caption="../report/data.rst", category="Data"),
        numbers="results/data_report/data.json",
    log:
        "logs/data_report.log",
    benchmark:
        timed("data_report")
    conda:
        "../../envs/main.yaml"
    threads: threads_of(on_cluster=4)
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        run=command("data_report", section("network", "anchor_scales"), section("train", "max_box"), NETWORK_INPUT),
        template=lambda wildcards: files_digest(DATA_TEMPLATES),
        anchors=lambda wildcards, input: file_option("anchors_file", input.anchors),
    shell:
        '{params.run} {params.anchors} --manifest {input.manifest:q} --output_dir "$(dirname {output.page:q})"'
        " --log_file {log:q}"
