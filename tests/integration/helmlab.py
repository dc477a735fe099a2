"""Helm with the chart, for tests: against the lab's API server, as its administrator."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from lab.apiserver import ApiServer

__all__ = ["CHART", "NAMESPACE", "Helm", "one", "settings"]

CHART = str(Path(__file__).parents[2] / "deploy" / "helm" / "lvs-operator")
NAMESPACE = "lvs-system"


class Helm:
    """helm, with the API server's administrator behind it."""

    def __init__(self, server: ApiServer, home: Path) -> None:
        self._server, self._home = server, home

    def __call__(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(self._server.tools.helm), "--kubeconfig", str(self._server.admin_kubeconfig), *args]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={"HOME": str(self._home)})
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def template(self, values: str = "", *args: str, namespace: str = "default") -> str:
        """Render the chart as a release named lvs."""
        return self("template", "lvs", CHART, "--namespace", namespace, *settings(values), *args).stdout

    def objects(self, values: str = "", *args: str, namespace: str = "default") -> list[dict[str, Any]]:
        """Return the same as objects."""
        return [item for item in yaml.safe_load_all(self.template(values, *args, namespace=namespace)) if item]


def settings(values: str) -> list[str]:
    """Return values, one for each line, as options."""
    return [word for line in values.split() for word in ("--set", line)]


def one(objects: list[dict[str, Any]], kind: str, name: str = "") -> dict[str, Any]:
    """Return the only object of a kind, or the one with a name."""
    (found,) = [item for item in objects if item["kind"] == kind and name in ("", item["metadata"]["name"])]
    return found
