# What a target host needs, in one folder and one archive.

from yolov3.files import sha256_of

PACKAGE = f"results/package/{EXPORTED}"
# On Ascend the program is built on the target host, whose libraries it needs.
PACKED_TEXTS = (WORKFLOW_DIR.parent / "LICENSE", NATIVE_DIR / "README.md")
PACKS_PROGRAM = "ascend" not in (PLAN.device, PLAN.int8_device)


rule package:
    input:
        unpack(native_model),
        int8_model=INT8_MODELS["model"],
        int8_description=INT8_MODELS["description"],
        program=rules.build_native310.output.program if PACKS_PROGRAM else [],
        eval_metrics=rules.eval_coco.output.metrics,
        float_metrics=rules.infer_310.output.metrics,
        int8_metrics=rules.quant_infer_310.output.metrics,
    output:
        folder=declared_folder(PACKAGE),
        archive=f"{PACKAGE}.tar.gz",
    log:
        "logs/package.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        run=command(
            "package",
            section("eval", "nms_thresh"),
            more=option_words({"source_dir": str(NATIVE_DIR), "license_file": str(WORKFLOW_DIR.parent / "LICENSE")}),
        ),
        source=native_code("CMakeLists.txt", "cmake/*", "src/*", "tools/*"),
        texts=lambda wildcards: " ".join(sha256_of(path) for path in PACKED_TEXTS if path.is_file()),
        program=lambda wildcards, input: file_option("program", input.program),
    shell:
        "{params.run} {params.program} --eval_metrics {input.eval_metrics:q}"
        " --model float {input.float_metrics:q} {input.model:q} --model int8 {input.int8_metrics:q} {input.int8_model:q}"
        " --archive {output.archive:q} --log_file {log:q}"
