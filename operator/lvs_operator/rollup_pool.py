"""The status of a DirectorPool: who directs, and for how many virtual services."""

from __future__ import annotations

from lvs_api.directorpool import DirectorPool, DirectorPoolStatus
from lvs_operator.conditions import Conditions, status_of
from lvs_operator.placement import Placement

__all__ = ["pool_status"]


def pool_status(pool: DirectorPool, placement: Placement, services: int, now: str) -> DirectorPoolStatus:
    """Say how a pool fares.

    Parameters
    ----------
    services
        How many virtual services use it.
    now
        RFC 3339 text.
    """
    generation = pool.metadata.generation
    conditions = Conditions(pool.status.conditions, generation, now)
    directed = placement.reason == "Directed"
    return DirectorPoolStatus(
        observed_generation=generation,
        director=placement.director,
        virtual_services=services,
        conditions=(conditions.make("Ready", status_of(directed), placement.reason, placement.message),),
    )
