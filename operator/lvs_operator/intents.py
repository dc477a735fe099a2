"""What the operator wants written: values, on their way from the decisions to the writer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from lvs_operator.resources import Target

__all__ = ["Apply", "Delete", "Intent"]


class Apply(msgspec.Struct, frozen=True):
    """Server-side apply of an object, or of one of its subresources.

    Parameters
    ----------
    metadata
        Beside name and namespace; a uid makes sure that no other object of the same name is written.
    fields
        All fields that the operator owns: what is left out is taken away.
    subresource
        ``status``, or empty for the object itself.
    """

    target: Target
    metadata: Mapping[str, Any]
    fields: Mapping[str, Any]
    subresource: str = ""


class Delete(msgspec.Struct, frozen=True):
    """Deletion of the object with this uid, and no other of the same name."""

    target: Target
    uid: str


Intent: TypeAlias = Apply | Delete
