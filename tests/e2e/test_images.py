"""What is in the images, and how large they are."""

from __future__ import annotations

import pytest

from lab.docker import OwnDocker
from lab.images import size

MEGABYTE = 1_000_000


@pytest.mark.parametrize(("part", "most"), [("operator", 200), ("agent", 250)])
def test_an_image_is_no_larger_than_promised(docker: OwnDocker, images: dict[str, str], part: str, most: int):
    assert size(docker, images[part]) <= most * MEGABYTE


@pytest.mark.parametrize(
    "program",
    ["iptables-legacy", "iptables-nft", "ip6tables-legacy", "ip6tables-nft", "ipset", "modprobe", "keepalived"],
)
def test_the_agents_image_has_what_it_may_call(docker: OwnDocker, images: dict[str, str], program: str):
    said = _run(docker, images["agent"], program, "--help")

    assert said


def test_the_operators_image_runs_as_a_user_without_rights_and_needs_to_write_nowhere(
    docker: OwnDocker, images: dict[str, str]
):
    user = docker.run("image", "inspect", "--format", "{{.Config.User}}", images["operator"]).strip()

    said = _run(docker, images["operator"], "lvs-operator", "--version")

    assert user == "65532:65532"
    assert said.startswith("lvs-operator ")


def _run(docker: OwnDocker, image: str, program: str, *args: str) -> str:
    """Run a program of an image, cut off and read-only; return what it says."""
    options = ("--rm", "--network=none", "--read-only", "--cap-drop=ALL", "--entrypoint=sh")
    return docker.run("run", *options, image, "-c", 'exec "$@" 2>&1', "sh", program, *args)
