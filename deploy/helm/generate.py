"""Writes or checks what is generated for and from the chart: ``python -m deploy.helm.generate --help``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.helm.plain_manifest import manifest
from deploy.helm.values_reference import SCHEMA, reference, values

__all__ = ["main"]

ROOT = Path(__file__).parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the files; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.helm.generate", description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write the files")
    mode.add_argument("--check", action="store_true", help="write nothing; fail where a file differs")
    put = _write if parser.parse_args(arguments).write else _differs
    schema = json.loads(SCHEMA.read_text())
    # values.yaml comes first: what follows it is rendered with it.
    differs = [
        put(SCHEMA.with_name("values.yaml"), values(schema)),
        put(ROOT / "docs" / "reference" / "chart.md", reference(schema)),
        put(ROOT / "deploy" / "lvs-operator.yaml", manifest()),
    ]
    return int(any(differs))


def _write(path: Path, text: str) -> bool:
    path.write_text(text)
    return False


def _differs(path: Path, text: str) -> bool:
    same = path.is_file() and path.read_text() == text
    if not same:
        sys.stderr.write(f"{path.relative_to(ROOT)}: differs from the chart; run make generate\n")
    return not same


if __name__ == "__main__":
    sys.exit(main())
