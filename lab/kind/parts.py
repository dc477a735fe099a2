"""What a cluster is made of, built or fetched before the lab's namespaces are entered: there is no network there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from lab import images, tools
from lab.cache import cache_dir
from lab.debian import root_file_system
from lab.docker import Docker
from lab.errors import LabError

__all__ = ["NodeParts", "Parts", "load", "prepare", "product_images"]

# As in kind's images/base/Dockerfile; runc and the network plugins are packages here.
NODE_PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "runc", "containernetworking-plugins", "conntrack", "iptables", "nftables",
    "ebtables", "iproute2", "ethtool", "socat", "util-linux", "mount", "kmod", "procps", "ca-certificates", "curl",
    "jq", "pigz", "busybox-static",
)  # fmt: skip


class NodeParts(msgspec.Struct, frozen=True):
    """What a node image is made of.

    Parameters
    ----------
    root
        Tar file with the root file system.
    programs
        Folders of programs.
    kind_source
        Folder of kind's source.
    kubernetes
        Version, with its v.
    """

    root: Path
    programs: tuple[Path, ...]
    kind_source: Path
    kubernetes: str


class Parts(msgspec.Struct, frozen=True):
    """What a cluster is made of.

    Parameters
    ----------
    kind
        The program.
    product
        What to make the product's images of; empty if they are in ``archive``.
    node
        What to make the node image of; None if it is in ``archive``.
    archive
        Tar file of images that were pulled or made by the machine's own engine.
    node_image
        Name of the node image there.
    """

    kind: Path
    product: tuple[images.Ingredients, ...] = ()
    node: NodeParts | None = None
    archive: Path | None = None
    node_image: str = ""


def prepare() -> None:
    """Build or fetch everything, with progress; quick if it was done before. Needs package registries.

    Raises
    ------
    LabError
        Without root's rights, or if something can't be built.
    """
    if os.geteuid() != 0:
        raise LabError("images and a kind cluster need root, for a container engine: run this make target with sudo")
    kept = cache_dir() / "kind"
    kept.mkdir(exist_ok=True)
    machine = Docker()
    kind = tools.build_for_kind(with_node=False).kind
    node_image = _default_node_image()
    if machine.works() and machine.pulls(node_image):
        ingredients = [images.prepare(part, from_registry=True) for part in images.PARTS]
        made = [images.build(machine, one, images.VERSION) for one in ingredients]
        archive = kept / "images.tar"
        machine.run("save", "--output", str(archive), node_image, *made, timeout=900)
        parts = Parts(kind, archive=archive, node_image=node_image)
    else:
        built = tools.build_for_kind(with_node=True)
        node = NodeParts(
            root_file_system("a kind node", NODE_PACKAGES),
            built.node,
            tools.module_folder("sigs.k8s.io/kind"),
            tools.kubernetes_version(),
        )
        parts = Parts(kind, tuple(images.prepare(part, from_registry=False) for part in images.PARTS), node)
    (kept / "parts.json").write_bytes(msgspec.json.encode(parts, enc_hook=str))


def product_images(docker: Docker, parts: Parts) -> dict[str, str]:
    """Bring the product's images into an engine; return their names by part."""
    if parts.archive is not None:
        docker.run("load", "--input", str(parts.archive), timeout=900)
        return {part: f"lvs-operator/{part}:{images.VERSION}" for part in images.PARTS}
    return {one.part: images.build(docker, one, images.VERSION) for one in parts.product}


def load() -> Parts:
    """Return what was prepared.

    Raises
    ------
    LabError
        If nothing was.
    """
    try:
        text = (cache_dir() / "kind" / "parts.json").read_bytes()
    except FileNotFoundError:
        raise LabError("nothing is prepared for a kind cluster: run `make kind-tools` first") from None
    return msgspec.json.decode(text, type=Parts, dec_hook=lambda wanted, value: wanted(value))


def _default_node_image() -> str:
    """Return the image that this version of kind makes nodes of."""
    source = tools.module_folder("sigs.k8s.io/kind") / "pkg/apis/config/defaults/image.go"
    found = re.search(r'const Image = "([^"]+)"', source.read_text())
    if not found:
        raise LabError(f"{source} names no image")
    return found.group(1)
