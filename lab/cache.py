"""Where the lab keeps what takes long to make: outside the checkout, by version."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_dir"]


def cache_dir() -> Path:
    """Return the folder, which is made if it is not there."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "lvs-operator"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
