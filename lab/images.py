"""The product's images: made by deploy/images/ from a base image and the dependencies that the lock files name."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import msgspec

from lab.cache import cache_dir
from lab.debian import root_file_system
from lab.docker import Docker
from lab.errors import LabError

__all__ = ["PARTS", "VERSION", "Ingredients", "base_image", "build", "prepare", "size"]

CHECKOUT = Path(__file__).parents[1]
RECIPES = CHECKOUT / "deploy" / "images"
PARTS = ("operator", "agent")
VERSION = version("lvs-operator")  # tag of the images, as in the chart
PYTHON = "3.11"  # of Debian bookworm, which both images are based on


class Ingredients(msgspec.Struct, frozen=True):
    """What an image is made of.

    Parameters
    ----------
    part
        ``operator`` or ``agent``.
    root
        Tar file of the root file system that stands for the base image; None for the base image itself.
    program
        Folder with the code and its dependencies.
    """

    part: str
    root: Path | None
    program: Path


def prepare(part: str, *, from_registry: bool) -> Ingredients:
    """Fetch what an image is made of, from package registries.

    Parameters
    ----------
    from_registry
        Whether the base image comes from a registry of images.
    """
    packages = (RECIPES / f"{part}.packages").read_text().split()
    root = None if from_registry else root_file_system(f"the {part}'s image", packages)
    return Ingredients(part, root, _program(part))


def base_image(docker: Docker, root: Path) -> str:
    """Make an image of a root file system, if it is not there, and return its name."""
    image = f"lvs-lab/base:{root.stem}"
    if not docker.has_image(image):
        docker.run("import", str(root), image)
    return image


def build(docker: Docker, ingredients: Ingredients, tag: str) -> str:
    """Make an image and return its name."""
    part = ingredients.part
    context = cache_dir() / "contexts" / part
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(ingredients.program, context / "program")
    for recipe in RECIPES.iterdir():
        shutil.copy(recipe, context)
    image = f"lvs-operator/{part}:{tag}"
    file = str(context / f"{part}.Dockerfile")
    offline: tuple[str, ...] = ()
    if ingredients.root:
        offline = ("--network=none", "--build-arg", f"BASE={base_image(docker, ingredients.root)}")
    docker.run("build", *offline, "--file", file, "--tag", image, str(context), timeout=900)
    return image


def size(docker: Docker, image: str) -> int:
    """Return the unpacked size of an image in bytes."""
    return int(docker.run("image", "inspect", "--format", "{{.Size}}", image))


def _program(part: str) -> Path:
    """Install the project and what its lock file names for a part; with what starts it."""
    folder = cache_dir() / "programs" / part
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    uv = cache_dir() / "uv" / "bin" / "uv"
    install = [
        str(uv), "pip", "install", "--quiet", "--target", str(folder), "--python", sys.executable,
        "--python-version", PYTHON, "--python-platform", f"{platform.machine()}-manylinux_2_36", "--link-mode", "copy",
    ]  # fmt: skip
    _run([*install, "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(RECIPES / f"{part}.lock")])
    _run([*install, "--no-deps", str(CHECKOUT)])
    # The scripts that came along start with this machine's Python.
    shutil.rmtree(folder / "bin")
    (folder / "bin").mkdir()
    script = folder / "bin" / f"lvs-{part}"
    script.write_text(f"#!/usr/bin/python3\nfrom lvs_{part}.__main__ import main\n\nmain()\n")
    script.chmod(0o755)
    return folder


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
