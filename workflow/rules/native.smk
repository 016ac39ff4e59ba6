# The native program and the converter, built from native310/.

NATIVE_DIR = ROOT / "native310"
# Only engine acl is built with CANN, so that sourcing it changes nothing for the others.
USES_CANN = config["infer"]["engine"] == "acl" or config["quantize"]["quant_backend"] == "amct"
CMAKE_FILES = [unmanaged(path) for path in sorted(NATIVE_DIR.glob("cmake/*"))]


rule mslite_runtime:
    input:
        script=script("mslite_runtime"),
        modules=module_files("mslite_runtime"),
    output:
        runtime="results/native310/mslite/runtime.json",
    log:
        "logs/mslite_runtime.log",
    benchmark:
        "results/benchmarks/mslite_runtime.tsv"
    conda:
        "../../envs/main.yaml"
    params:
        # Not a word of the command, which reads the variable itself: another copy is another runtime.
        home=home_of_user(),
    shell:
        'python {input.script:q} --output_dir "$(dirname {output.runtime:q})" --log_file {log:q}'


rule build_native310:
    input:
        script=script("build_native310"),
        modules=module_files("build_native310"),
        cmakelists=unmanaged(NATIVE_DIR / "CMakeLists.txt"),
        cmake=CMAKE_FILES,
        code=[unmanaged(path) for path in sorted(NATIVE_DIR.glob("src/*"))],
        runtime=rules.mslite_runtime.output.runtime,
    output:
        program="results/native310/build/native310",
    log:
        "logs/build_native310.log",
    benchmark:
        "results/benchmarks/build_native310.tsv"
    conda:
        "../../envs/main.yaml"
    threads: own_threads()
    params:
        cann=cann_of_user() if USES_CANN else "",
    shell:
        'python {input.script:q} --source_dir "$(dirname {input.cmakelists:q})" --runtime {input.runtime:q}'
        ' --build_dir "$(dirname {output.program:q})" --log_file {log:q}'


# Apart from the program, so that an edit to the program does not quantize again.
rule build_converter:
    input:
        script=script("build_native310"),
        modules=module_files("build_native310"),
        cmakelists=unmanaged(NATIVE_DIR / "CMakeLists.txt"),
        cmake=CMAKE_FILES,
        code=unmanaged(NATIVE_DIR / "tools" / "mslite_convert.cc"),
        runtime=rules.mslite_runtime.output.runtime,
    output:
        program="results/native310/converter/mslite_convert",
    log:
        "logs/build_converter.log",
    benchmark:
        "results/benchmarks/build_converter.tsv"
    conda:
        "../../envs/main.yaml"
    threads: own_threads()
    shell:
        'python {input.script:q} --source_dir "$(dirname {input.cmakelists:q})" --runtime {input.runtime:q} --target mslite_convert'
        ' --build_dir "$(dirname {output.program:q})" --log_file {log:q}'
