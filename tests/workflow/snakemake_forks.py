"""Runs Snakemake in forks of a process that has imported it: the import takes half of a dry run's time."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

# What each run imports, beside modules of the project, which tests edit.
FURTHER_IMPORTS = ("cv2", "docutils.core", "jinja2", "jsonschema", "PIL.ImageOps", "requests", "smart_open", "yte")


class SnakemakeForks:
    """Starts this file as a process of its own, which reads a request a line and answers each with an exit code."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, words, folder, environment, output):
        """Return the exit code; what Snakemake prints is in the file `output`."""
        request = {"words": words, "folder": str(folder), "environment": environment, "output": str(output)}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


def serve():
    from snakemake.cli import main

    for module in FURTHER_IMPORTS:
        importlib.import_module(module)
    for line in sys.stdin:
        request = json.loads(line)
        if child := os.fork():
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            continue
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(output, stream)
        # Snakemake ends by SystemExit, with the exit code of a process.
        main(request["words"])
        os._exit(0)


if __name__ == "__main__":
    # Not beside the modules of these tests.
    sys.path.remove(str(Path(__file__).parent))
    serve()
