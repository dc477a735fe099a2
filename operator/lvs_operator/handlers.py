"""Every kopf handler; each hands on what it is given, and none decides.

Only raw events: they write nothing, no finalizers, no annotations, no statuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import kopf

from lvs_api.meta import ObjectKey
from lvs_operator.connection import Credentials
from lvs_operator.resources import RESOURCES, Resource, Target, resource_named

__all__ = ["Feed", "log_in", "memo_with"]


class Feed(Protocol):
    """Where handlers hand things on to."""

    async def credentials(self) -> Credentials:
        """Read the credentials."""
        ...

    def put(self, resource: Resource, raw: Mapping[str, Any]) -> None:
        """Take an object in, new or changed."""
        ...

    def remove(self, target: Target, uid: str) -> None:
        """Take an object out."""
        ...

    def listed_again(self) -> None:
        """Take note that an object came by a list, which does not tell what is gone meanwhile."""
        ...


def memo_with(feed: Feed) -> kopf.Memo:
    """Return what kopf has to carry so that the handlers find the feed."""
    return kopf.Memo(feed=feed)


@kopf.on.login()
async def log_in(memo: kopf.Memo, **_: Any) -> kopf.ConnectionInfo:
    """Give kopf the credentials that the rest of the operator uses."""
    feed: Feed = memo.feed
    found = await feed.credentials()
    return kopf.ConnectionInfo(
        server=found.server,
        ca_path=found.ca_path,
        ca_data=None if found.ca_path else found.ca_data,
        insecure=found.insecure,
        token=found.token,
        username=found.username,
        password=found.password,
        certificate_path=found.certificate_path,
        private_key_path=found.private_key_path,
        proxy_url=found.proxy_url,
    )


async def _hand_on(memo: kopf.Memo, resource: kopf.Resource, event: kopf.RawEvent, **_: Any) -> None:
    feed: Feed = memo.feed
    where, raw = resource_named(resource.group, resource.plural), event["object"]
    if event["type"] == "DELETED":
        meta = raw["metadata"]
        feed.remove(Target(where.kind, ObjectKey(meta.get("namespace", ""), meta["name"])), meta["uid"])
        return
    feed.put(where, raw)
    if event["type"] is None:
        feed.listed_again()


for _resource in RESOURCES:
    kopf.on.event(_resource.group, _resource.version, _resource.plural, id=f"hand-on-{_resource.plural}")(_hand_on)
