"""Makes an image whose command runs in the kernel beside its node, out of one that knows nothing of it."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from lab.docker import Docker

__all__ = ["in_node_kernel"]

LAB = Path(__file__).parents[1]
FILES = ("__init__.py", "guest.py", "kind/__init__.py", "kind/door.py", "kind/enter.py")
PROGRAM = """\
#!/usr/bin/python3 -IS
import sys

sys.path.insert(0, "/opt/lab")
from lab.kind.enter import main

main()
"""


def in_node_kernel(docker: Docker, image: str, name: str) -> str:
    """Make the image ``name`` of ``image``; the latter must have Python and an entry point. Returns ``name``."""
    entry = json.loads(docker.run("image", "inspect", "--format", "{{json .Config.Entrypoint}}", image))
    command = json.loads(docker.run("image", "inspect", "--format", "{{json .Config.Cmd}}", image))
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        for file in FILES:
            target = context / "lab" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(LAB / file, target)
        (context / "enter").write_text(PROGRAM)
        (context / "enter").chmod(0o755)
        (context / "Dockerfile").write_text(
            f"FROM {image}\nCOPY lab /opt/lab/lab\nCOPY enter /opt/lab/enter\n"
            f"ENTRYPOINT {json.dumps(['/opt/lab/enter', *entry])}\nCMD {json.dumps(command or [])}\n"
        )
        docker.run("build", "--quiet", "--tag", name, folder)
    return name
