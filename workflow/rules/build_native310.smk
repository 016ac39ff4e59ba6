# The native program and the MindSpore Lite converter, built from native310/.

from yolov3.native.build import cann_of_user
from yolov3.native.mslite_runtime import home_of_user


rule mslite_runtime:
    output:
        runtime="results/native310/mslite/runtime.json",
    log:
        "logs/mslite_runtime.log",
    benchmark:
        timed("mslite_runtime")
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        code=code("mslite_runtime"),
        # Only tracked: the script reads the environment variable itself.
        home=home_of_user(),
    shell:
        'python {SCRIPTS:q}/mslite_runtime.py --output_dir "$(dirname {output.runtime:q})" --log_file {log:q}'


rule build_native310:
    input:
        runtime=rules.mslite_runtime.output.runtime,
    output:
        program="results/native310/build/native310",
    log:
        "logs/build_native310.log",
    benchmark:
        timed("build_native310")
    conda:
        "../../envs/main.yaml"
    threads: threads_of(on_cluster=4)
    params:
        code=code("build_native310"),
        sources=native_code("CMakeLists.txt", "cmake/*", "src/*"),
        # Sourcing CANN's environment must not rebuild the program for other engines.
        cann=cann_of_user() if PLAN.uses_cann else "",
        target="",
    shell:
        "python {SCRIPTS:q}/build_native310.py --source_dir {NATIVE_DIR:q} --runtime {input.runtime:q} {params.target}"
        ' --build_dir "$(dirname {output.program:q})" --log_file {log:q}'


# Built separately, so that an edit to the native program does not trigger quantization again.
use rule build_native310 as build_converter with:
    output:
        program="results/native310/converter/mslite_convert",
    log:
        "logs/build_converter.log",
    benchmark:
        timed("build_converter", PLAN.uses_mslite_converter)
    params:
        code=code("build_native310"),
        sources=native_code("CMakeLists.txt", "cmake/*", "tools/*"),
        cann="",
        target="--target mslite_convert",
