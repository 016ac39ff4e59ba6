# The data set: made, fetched or used in place, then checked and described by a manifest for each split.

from yolov3.data.links import follow_moved_places
from yolov3.data.manifest import folder_places

IS_OWN_DATA = PLAN.provider == "custom"
# The results name a data set in data_dir by links, so it can be moved.
PLACE = UNTRACKED[PLAN.provider] + ("" if IS_OWN_DATA else " --links_dir results/data")
if not IS_OWN_DATA:
    follow_moved_places(folder_places(Path(config["data"]["data_dir"]) / PLAN.provider), Path("results/data"))


def provider_keys(split):
    """What of the provider's settings decides a split."""
    other = "val_" if split == "train" else "train_"
    return [key for key in config[PLAN.provider] if not key.startswith(other)]


def linked_images(split):
    """The link to a split's images, whose absence calls for another download; the user's own images are left alone."""
    return [] if IS_OWN_DATA else declared_folder(f"results/data/{split}/images")


rule download_train:
    output:
        manifest="results/data/train.json",
        images=linked_images("train"),
    log:
        "logs/download_train.log",
    benchmark:
        timed("download_train")
    localrule: True
    conda:
        "../../envs/main.yaml"
    threads: threads_of(on_cluster=1)
    params:
        run=command("download", UNTRACKED["data"], PLACE),
        code=code("download"),
        split="--split train",
        options=options_of("data"),
        provider_options=options_of(PLAN.provider, *provider_keys("train")),
        contents=contents_of(PLAN.provider, *provider_keys("train")),
        categories="",
    shell:
        "{params.run} {params.split} {params.options} {params.provider_options} {params.categories}"
        " --manifest {output.manifest:q} --log_file {log:q}"


# The labels of both splits follow the categories of the training annotations.
use rule download_train as download_val with:
    input:
        train=rules.download_train.output.manifest,
    output:
        manifest="results/data/val.json",
        images=linked_images("val"),
    log:
        "logs/download_val.log",
    benchmark:
        timed("download_val")
    params:
        run=command("download", UNTRACKED["data"], PLACE),
        code=code("download"),
        split="--split val",
        options=options_of("data"),
        provider_options=options_of(PLAN.provider, *provider_keys("val")),
        contents=contents_of(PLAN.provider, *provider_keys("val")),
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
        code=code("download"),
    shell:
        "{params.run} --merge {input.train:q} {input.val:q} --manifest {output.manifest:q} --log_file {log:q}"
