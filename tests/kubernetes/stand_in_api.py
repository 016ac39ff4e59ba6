"""What Snakemake's Kubernetes executor calls of a cluster's API, on this host: a job's container runs as a process."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml


class StandInCluster:
    """An API server on 127.0.0.1 that lives as long as a with statement.

    Attributes:
        jobs: the submitted jobs, by name, as the API's JSON.
        environment: environment in which Kubernetes' client speaks to this server.
    """

    def __init__(self, folder: Path, runs_pods: bool = True) -> None:
        """Prepare the server; without runs_pods every job fails at once."""
        self.folder = folder
        self.runs_pods = runs_pods
        self.jobs: dict[str, dict] = {}
        self.environment = {**os.environ, "KUBECONFIG": str(folder / "kubeconfig")}
        self._pods: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "StandInCluster":
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        address = f"http://127.0.0.1:{self._server.server_port}"
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": {"server": address}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "current-context": "here",
        }
        (self.folder / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
        # Pods fetch the storage plugin by pip; here it is installed.
        pip = self.folder / "bin" / "pip"
        pip.parent.mkdir()
        pip.write_text("#!/bin/sh\n")
        pip.chmod(0o755)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._pods:
            self.delete(name)
        self._server.shutdown()
        self._server.server_close()

    def submit(self, job: dict) -> None:
        """Start a job's container in an empty folder, with an environment of its own."""
        name = job["metadata"]["name"]
        self.jobs[name] = job
        if not self.runs_pods:
            return
        container = job["spec"]["template"]["spec"]["containers"][0]
        workdir = self.folder / "pods" / name
        workdir.mkdir(parents=True)
        path = [str(self.folder / "bin"), str(Path(sys.executable).parent), *os.defpath.split(os.pathsep)]
        with (self.folder / f"{name}.log").open("wb") as log:
            self._pods[name] = subprocess.Popen(
                [*container["command"], *container["args"]],
                cwd=workdir,
                env={"PATH": os.pathsep.join(path), "HOME": str(workdir)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def status(self, name: str) -> dict[str, int]:
        """Return a job's counts as the API gives them."""
        code = self._pods[name].poll() if name in self._pods else 1
        if code is None:
            return {"active": 1}
        return {"succeeded": 1} if code == 0 else {"failed": 1}

    def delete(self, name: str) -> None:
        """End a job's processes."""
        if name in self._pods:
            with suppress(ProcessLookupError):
                os.killpg(self._pods[name].pid, signal.SIGKILL)
            self._pods[name].wait()


def _handler(cluster: StandInCluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path.endswith("/jobs"):
                cluster.submit(body)
            self._answer(201, body)

        def do_GET(self) -> None:
            if "/pods" in self.path:
                # The state of the job is enough for the executor.
                self._answer(200, {"items": []})
            else:
                name = self.path.split("/")[-2]
                self._answer(200, {"metadata": {"name": name}, "status": cluster.status(name)})

        def do_DELETE(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if "/jobs/" in self.path:
                cluster.delete(self.path.split("?")[0].split("/")[-1])
            self._answer(200, {"status": "Success"})

        def _answer(self, code: int, body: dict) -> None:
            content = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
