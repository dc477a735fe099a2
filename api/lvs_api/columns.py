"""A column of ``kubectl get``, declared beside the type it shows."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Column"]


class Column(msgspec.Struct, frozen=True):
    """One additionalPrinterColumn; ``wide`` columns are shown by ``-o wide`` only."""

    name: str
    path: str
    type: Literal["string", "integer", "date", "boolean"] = "string"
    wide: bool = False
