# The native program and the MindSpore Lite converter, built from native310/.

from yolov3.native.build import cann_of_user
from yolov3.native.mslite_runtime import home_of_user

SOURCE_OPTION = option_words({"source_dir": str(NATIVE_DIR)})


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
        run=command("mslite_runtime"),
        # Only tracked: the script reads the environment variable itself.
        home=home_of_user(),
    shell:
        '{params.run} --output_dir "$(dirname {output.runtime:q})" --log_file {log:q}'


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
        run=command("build_native310", more=SOURCE_OPTION),
        sources=native_code("CMakeLists.txt", "cmake/*", "src/*"),
        # Sourcing CANN's environment must not rebuild the program for other engines.
        cann=cann_of_user() if PLAN.uses_cann else "",
        target="",
    shell:
        "{params.run} --runtime {input.runtime:q} {params.target}"
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
        run=command("build_native310", more=SOURCE_OPTION),
        sources=native_code("CMakeLists.txt", "cmake/*", "tools/*", "src/standard_streams.h"),
        cann="",
        target="--target mslite_convert",
