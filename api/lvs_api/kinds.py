"""The kinds of the API group, in the order in which a reader meets them."""

from __future__ import annotations

from typing import TypeAlias

from lvs_api.directorpool import DirectorPool
from lvs_api.lvsnode import LVSNode
from lvs_api.realserver import RealServer
from lvs_api.virtualservice import VirtualService

__all__ = ["KINDS", "Kind"]

Kind: TypeAlias = type[VirtualService] | type[RealServer] | type[DirectorPool] | type[LVSNode]

KINDS: tuple[Kind, ...] = (VirtualService, RealServer, DirectorPool, LVSNode)
