# Operators for training on CPUs, built from native_training/.

KERNELS_DIR = WORKFLOW_DIR.parent / "native_training"


rule build_training_kernels:
    output:
        library="results/training_kernels/libtraining_kernels.so",
    log:
        "logs/build_training_kernels.log",
    benchmark:
        timed("build_training_kernels", PLAN.has_training_kernels)
    conda:
        "../../envs/main.yaml"
    threads: threads_of(on_cluster=4)
    params:
        run=command("build_training_kernels", more=option_words({"source_dir": str(KERNELS_DIR)})),
        sources=lambda wildcards: files_digest(
            path for pattern in ("CMakeLists.txt", "src/*") for path in KERNELS_DIR.glob(pattern)
        ),
    shell:
        '{params.run} --build_dir "$(dirname {output.library:q})" --log_file {log:q}'
