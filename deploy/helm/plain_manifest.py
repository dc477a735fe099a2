"""Renders the chart into one file, for those without Helm."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab import tools

__all__ = ["manifest"]

CHART = Path(__file__).with_name("lvs-operator")
NAMESPACE = "lvs-system"

_HEAD = f"""\
# Generated from deploy/helm/lvs-operator: change that and run make generate.
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    # Agents are privileged: they write IPVS tables and settings of nodes.
    pod-security.kubernetes.io/enforce: privileged
"""


def manifest() -> str:
    """Return the namespace and all that the chart installs by default.

    Hooks are left out, for nobody would run them. The mark to keep the CRDs as well, which only Helm reads.
    """
    command = [
        str(tools.find().helm), "template", "lvs-operator", str(CHART), "--namespace", NAMESPACE,
        "--no-hooks", "--set", "crds.keep=false,uninstall.cleanNodes=false",
    ]  # fmt: skip
    rendered = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return _HEAD + rendered
