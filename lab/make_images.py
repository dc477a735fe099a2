"""Makes the product's images, keeps them as files in dist/ and prints their sizes."""

from __future__ import annotations

from pathlib import Path

from lab import images
from lab.docker import OwnDocker
from lab.kind import parts

DIST = Path(__file__).parents[1] / "dist"


def main() -> None:
    """Make them."""
    docker = OwnDocker(Path("/run/lab/dockerd.log"))
    try:
        DIST.mkdir(exist_ok=True)
        for part, image in parts.product_images(docker, parts.load()).items():
            file = DIST / f"lvs-{part}-{images.VERSION}.tar"
            docker.run("save", "--output", str(file), image)
            print(f"{image}: {images.size(docker, image) / 1e6:.0f} MB unpacked, in dist/{file.name}", flush=True)
    finally:
        docker.close()


if __name__ == "__main__":
    main()
