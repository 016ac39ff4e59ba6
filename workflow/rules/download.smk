# The data set: generated, downloaded or used in place, then checked; one manifest per split describes it.

from yolov3.data.links import follow_moved_places
from yolov3.data.manifest import folder_places

if PLAN.provider != "custom":
    follow_moved_places(folder_places(Path(config["data"]["data_dir"]) / PLAN.provider), Path("results/data"))


rule download_train:
    output:
        manifest="results/data/train.json",
        data=split_data("train"),
    log:
        "logs/download_train.log",
    benchmark:
        timed("download_train")
    localrule: True
    conda:
        "../../envs/main.yaml"
    threads: threads_of(on_cluster=1)
    params:
        run=download_command("train"),
        categories="",
    shell:
        "{params.run} {params.categories} --manifest {output.manifest:q} --log_file {log:q}"


# Labels of both splits index the categories of the training annotations.
use rule download_train as download_val with:
    input:
        train=rules.download_train.output.manifest,
    output:
        manifest="results/data/val.json",
        data=split_data("val"),
    log:
        "logs/download_val.log",
    benchmark:
        timed("download_val")
    params:
        run=download_command("val"),
        categories=lambda wildcards, input: file_option("categories_from", input.train),


rule download:
    input:
        train=rules.download_train.output.manifest,
        val=rules.download_val.output.manifest,
    output:
        manifest="results/data/manifest.json",
    log:
        "logs/download.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        run=command("download"),
    shell:
        "{params.run} --merge {input.train:q} {input.val:q} --manifest {output.manifest:q} --log_file {log:q}"
