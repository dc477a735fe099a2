"""What `helm test` runs in a pod: it passes if what a Service leads to is ready."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "helm" / "lvs-operator" / "files" / "ready.py"


class Endpoint(BaseHTTPRequestHandler):
    """Answers /readyz with its server's status."""

    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == "/readyz" else 404)  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)], ids=["ready", "not ready"])
def test_it_passes_if_what_it_asks_is_ready(endpoint, status, code):
    endpoint.status = status

    done = _run(endpoint.server_port)

    assert done.returncode == code
    assert done.stdout.split() == ["lvs-operator", str(status)]


def test_it_fails_if_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    assert _run(port).returncode != 0


def _run(port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT.read_text(), "lvs-operator", str(port), "0"]
    environment = {"LVS_OPERATOR_SERVICE_HOST": "127.0.0.1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
