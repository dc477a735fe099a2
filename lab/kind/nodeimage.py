"""The image of a kind node, made of Debian packages and Go programs where no registry of images is within reach.

What kind's own image is made of is in its source, below images/base; this follows it, less what no test needs:
network plugins but for pods' own, DNS, storage.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lab.docker import OwnDocker
from lab.errors import LabError
from lab.kind.parts import NodeParts

__all__ = ["node_image"]

CNI_PLUGINS = ("host-local", "loopback", "ptp", "portmap")
STATIC_PODS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Services that kind's image does without, by folder of the links that start them.
NOT_STARTED = (
    "usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
    "usr/lib/systemd/system/multi-user.target.wants/*",
    "usr/lib/systemd/system/local-fs.target.wants/*",
    "usr/lib/systemd/system/sockets.target.wants/*udev*",
    "usr/lib/systemd/system/sockets.target.wants/*initctl*",
    "usr/lib/systemd/system/basic.target.wants/*",
    "etc/systemd/system/*.wants/*",
)
# Of containerd, which is used without the interface that the kubelet needs while the image is made.
NOT_LOADED = ("cri.v1.images", "cri.v1.runtime", "grpc.v1.cri")
NO_STORAGE = """\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard}
provisioner: kubernetes.io/no-provisioner
"""


def node_image(docker: OwnDocker, parts: NodeParts, proxy_base: str) -> str:
    """Return the image's name; it is made if it is not there.

    Parameters
    ----------
    proxy_base
        Image with iptables, that kube-proxy's is based on.
    """
    version = _version(parts, proxy_base)
    image = f"lvs-lab/node:{version}"
    if docker.has_image(image):
        return image
    print("making the node image: a minute ...", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="node-", dir=parts.root.parent) as folder:
        scratch = Path(folder)
        root = scratch / "root"
        root.mkdir()
        subprocess.run(["tar", "-C", str(root), "--numeric-owner", "-xpf", str(parts.root)], check=True)
        _install(root, parts)
        names = _image_names(parts)
        _set_up(root, parts, names["pause"])
        archive = scratch / "images.tar"
        _save_images(docker, scratch, root, parts, names, proxy_base, archive)
        _unpack_images(root, parts, scratch, archive)
        _make_image(docker, root, image)
    print(f"made {image} in {time.monotonic() - began:.0f} s", flush=True)
    return image


def _version(parts: NodeParts, proxy_base: str) -> str:
    # Folders of programs and root file systems are named by what they were made of.
    made_of = [Path(__file__).read_text(), parts.root.name, proxy_base, *(folder.name for folder in parts.programs)]
    return hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]


def _program(parts: NodeParts, name: str) -> Path:
    for folder in parts.programs:
        if (folder / name).exists():
            return folder / name
    raise LabError(f"no program {name} in {[str(folder) for folder in parts.programs]}")


def _install(root: Path, parts: NodeParts) -> None:
    """Put the programs in."""
    for name in ("containerd", "ctr", "containerd-shim-runc-v2"):
        _copy(_program(parts, name), root / "usr/local/bin" / name)
    for name in ("kubeadm", "kubelet", "kubectl"):
        _copy(_program(parts, name), root / "usr/bin" / name)
    for name in CNI_PLUGINS:
        _copy(root / "usr/lib/cni" / name, root / "opt/cni/bin" / name)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755)


def _set_up(root: Path, parts: NodeParts, pause: str) -> None:
    """Do what kind's own Dockerfile does after installing packages."""
    files = parts.kind_source / "images" / "base" / "files"
    for path in sorted(files.rglob("*")):
        target = root / path.relative_to(files)
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(0o755 if path.parent.name == "bin" else 0o644)
    for pattern in NOT_STARTED:
        for link in root.glob(pattern):
            link.unlink()
    systemctl = ["systemctl", f"--root={root}"]
    subprocess.run(
        [*systemctl, "enable", "kubelet.service", "containerd.service", "undo-mount-hacks.service"],
        check=True,
        capture_output=True,
    )
    subprocess.run([*systemctl, "mask", "systemd-binfmt.service"], check=True, capture_output=True)
    with (root / "etc/systemd/journald.conf").open("a") as journald:
        journald.write("ReadKMsg=no\n")
    (root / "etc/kubernetes/manifests").mkdir(parents=True, exist_ok=True)
    (root / "kind/manifests").mkdir(parents=True, exist_ok=True)
    (root / "kind/manifests/default-storage.yaml").write_text(NO_STORAGE)
    (root / "kind/version").write_text(parts.kubernetes)
    _set_up_containerd(root, pause)


def _set_up_containerd(root: Path, pause: str) -> None:
    base = subprocess.run(
        ["chroot", str(root), "/usr/local/bin/ctr", "oci", "spec"], check=True, capture_output=True, text=True
    )
    spec = json.loads(base.stdout)
    del spec["process"]["rlimits"]
    hooks = spec.setdefault("hooks", {})
    hooks.setdefault("createContainer", []).append({"path": "/kind/bin/mount-product-files.sh"})
    (root / "etc/containerd/cri-base.json").write_text(json.dumps(spec))
    config = root / "etc/containerd/config.toml"
    text = config.read_text()
    # Where the machine may not lower a process's oom_score_adj (no CAP_SYS_RESOURCE), nothing would start.
    text = text.replace("restrict_oom_score_adj = false", "restrict_oom_score_adj = true")
    config.write_text(re.sub(r'sandbox_image = ".*"', f'sandbox_image = "{pause}"', text))


def _image_names(parts: NodeParts) -> Mapping[str, str]:
    """Return the names that kubeadm has for the images it needs, by the last part of each."""
    command = [str(_program(parts, "kubeadm")), "config", "images", "list", "--kubernetes-version", parts.kubernetes]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return {name.rpartition("/")[2].partition(":")[0]: name for name in listed}


def _save_images(
    docker: OwnDocker,
    scratch: Path,
    root: Path,
    parts: NodeParts,
    names: Mapping[str, str],
    proxy_base: str,
    archive: Path,
) -> None:
    """Make the images of the control plane and pack them together."""
    programs = {name: _program(parts, name) for name in (*STATIC_PODS, "etcd", "kube-proxy")}
    for name, program in programs.items():
        base = proxy_base if name == "kube-proxy" else "scratch"
        _build(docker, scratch / name, names[name], program, [name], base)
    _build(docker, scratch / "pause", names["pause"], root / "usr/bin/busybox", ["busybox", "sleep", "infinity"])
    docker.run("save", "--output", str(archive), *(names[name] for name in (*programs, "pause")))


def _build(
    docker: OwnDocker, folder: Path, image: str, program: Path, command: Sequence[str], base: str = "scratch"
) -> None:
    folder.mkdir()
    _copy(program, folder / command[0])
    entry = json.dumps([f"/usr/local/bin/{command[0]}", *command[1:]])
    (folder / "Dockerfile").write_text(
        f"FROM {base}\nENV {PATH}\nCOPY {command[0]} /usr/local/bin/\nENTRYPOINT {entry}\nUSER 0\n"
    )
    docker.run("build", "--quiet", "--tag", image, str(folder))
    shutil.rmtree(folder)


def _unpack_images(root: Path, parts: NodeParts, scratch: Path, archive: Path) -> None:
    """Put the images where the node's containerd has them, unpacked: its folder may be filled from outside."""
    with _containerd(root, parts, scratch) as ctr:
        command = [*ctr, "images", "import", "--local", "--discard-unpacked-layers", "--snapshotter", "overlayfs"]
        done = subprocess.run([*command, str(archive)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"ctr images import ended with {done.returncode}:\n{done.stderr[-3000:]}")


@contextlib.contextmanager
def _containerd(root: Path, parts: NodeParts, scratch: Path) -> Iterator[list[str]]:
    """Run a containerd on the node's folder; give the words that ctr starts with."""
    socket, folder = scratch / "socket", root / "var/lib/containerd"
    config = scratch / "containerd.toml"
    config.write_text(
        f'version = 3\nroot = "{folder}"\nstate = "{scratch / "state"}"\n'
        f"disabled_plugins = {json.dumps([f'io.containerd.{part}' for part in NOT_LOADED])}\n"
        f'[grpc]\naddress = "{socket}"\n[ttrpc]\naddress = "{socket}.ttrpc"\n'
    )
    path = os.pathsep.join([*(str(folder) for folder in parts.programs), os.environ["PATH"]])
    with (scratch / "containerd.log").open("wb") as log:
        process = subprocess.Popen(
            [str(_program(parts, "containerd")), "--config", str(config)],
            stdout=log,
            stderr=log,
            env={**os.environ, "PATH": path},
        )
    ctr = [str(_program(parts, "ctr")), "--address", str(socket), "--namespace", "k8s.io"]
    try:
        deadline = time.monotonic() + 30
        while subprocess.run([*ctr, "version"], capture_output=True, check=False).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"containerd did not start:\n{(scratch / 'containerd.log').read_text()[-3000:]}")
            time.sleep(0.1)
        yield ctr
    finally:
        process.terminate()
        process.wait(30)


def _make_image(docker: OwnDocker, root: Path, image: str) -> None:
    pack = ["tar", "-C", str(root), "--numeric-owner", "-c", "."]
    with subprocess.Popen(pack, stdout=subprocess.PIPE) as packed:
        done = subprocess.run(
            ["docker", "import", "-", "lvs-lab/node-root"],
            stdin=packed.stdout,
            env=docker.environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0 or packed.returncode != 0:
        raise LabError(f"docker import of the node's root file system failed:\n{done.stderr}")
    # `docker import` takes no STOPSIGNAL.
    entry = '["/usr/local/bin/entrypoint", "/sbin/init"]'
    dockerfile = f"FROM lvs-lab/node-root\nENV container=docker\nSTOPSIGNAL SIGRTMIN+3\nENTRYPOINT {entry}\n"
    docker.run("build", "--quiet", "--tag", image, "-", input=dockerfile)
