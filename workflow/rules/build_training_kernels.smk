# Operators for training on CPUs, built from native_training/.

from yolov3.native.training_kernels import LIBRARY_PATH

KERNELS_DIR = WORKFLOW_DIR.parent / "native_training"


rule build_training_kernels:
    output:
        library=f"results/training_kernels/{LIBRARY_PATH}",
    log:
        "logs/build_training_kernels.log",
    benchmark:
        timed("build_training_kernels", PLAN.has_training_kernels)
    conda:
        "../../envs/main.yaml"
    threads: threads_of(on_cluster=4)
    params:
        run=command("build_training_kernels", more=option_words({"source_dir": str(KERNELS_DIR)})),
        sources=native_code("CMakeLists.txt", "src/*", folder=KERNELS_DIR),
    shell:
        "{params.run} --output_dir results/training_kernels --log_file {log:q}"
