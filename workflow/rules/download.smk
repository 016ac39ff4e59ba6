# The data set: generated, downloaded or used in place, then checked; one manifest per split describes it.

from yolov3.data.links import follow_moved_places
from yolov3.data.manifest import folder_places

IS_OWN_DATA = PLAN.provider == "custom"
# Manifests refer to data_dir through links, so that data_dir can be moved.
PLACE = UNTRACKED[PLAN.provider] + ("" if IS_OWN_DATA else " --links_dir results/data")
if not IS_OWN_DATA:
    follow_moved_places(folder_places(Path(config["data"]["data_dir"]) / PLAN.provider), Path("results/data"))


def provider_keys(split):
    """Return the provider's settings that determine a split."""
    other = "val_" if split == "train" else "train_"
    return [key for key in config[PLAN.provider] if not key.startswith(other)]


def linked_images(split):
    """Return the link to a split's images, which is downloaded again if missing; nothing for the user's own images."""
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
        code=code("download"),
        split="--split train",
        options=options_of("data"),
        provider_options=options_of(PLAN.provider, *provider_keys("train")),
        contents=contents_of(PLAN.provider, *provider_keys("train")),
        categories="",
    shell:
        "python {SCRIPTS:q}/download.py {params.split} {params.options} {params.provider_options} {params.categories}"
        " {UNTRACKED[data]} {PLACE} --manifest {output.manifest:q} --log_file {log:q}"


# Labels of both splits index the categories of the training annotations.
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
        code=code("download"),
    shell:
        "python {SCRIPTS:q}/download.py --merge {input.train:q} {input.val:q} --manifest {output.manifest:q}"
        " --log_file {log:q}"
