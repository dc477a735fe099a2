"""Has every node undo what its agent did, before operator and agents go: `lvs-operator retire`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from lvs_api.lvsnode import LVSNode
from lvs_operator.connection import Connection
from lvs_operator.intents import Apply, Delete
from lvs_operator.nodes import MANAGED_BY
from lvs_operator.resources import Target
from lvs_operator.retirement import progress_of
from lvs_operator.troubles import ApiTrouble, NoConfiguration, Refused

__all__ = ["NotRetired", "retire"]

FIELD_MANAGER = "lvs-operator-retire"
PAUSE = 1.0  # seconds between looks


class NotRetired(Exception):
    """Time is up, and something is left; says what, and what to do next."""

    def __init__(self, seconds: float, left: str) -> None:
        super().__init__(
            f"not done within {seconds:g} s: {left}\n"
            "Run this again to go on. Where a node is gone for good, delete its LVSNode; where its agent does not\n"
            "run, run `lvs-agent cleanup` there. `helm uninstall --no-hooks` leaves the nodes as they are."
        )


async def retire(
    kubeconfig: Path | None, deployment: tuple[str, str] | None, seconds: float, say: Callable[[str], None]
) -> None:
    """Have all nodes retire; then stop the operator and delete the LVSNodes that it made.

    Parameters
    ----------
    kubeconfig
        Path of a kubeconfig file; None inside a cluster.
    deployment
        Namespace and name of the operator's Deployment. None: the operator goes on, and would make LVSNodes anew if
        they were deleted; they stay, and their nodes retired.
    seconds
        How long to go on.
    say
        Takes lines about the progress.

    Raises
    ------
    NotRetired
        If it is not done in time.
    NoConfiguration
        If there is no usable description of where the API server is.
    """
    connection = Connection(kubeconfig)
    work = _Retirement(connection, deployment, say)
    try:
        await connection.credentials()
        async with asyncio.timeout(seconds):
            await work.run()
    except TimeoutError:
        raise NotRetired(seconds, work.last_said or "the API server has not answered") from None
    finally:
        await connection.close()


class _Retirement:
    def __init__(self, connection: Connection, deployment: tuple[str, str] | None, say: Callable[[str], None]) -> None:
        self._connection = connection
        self._deployment = deployment
        self._say = say
        self.last_said = ""

    async def run(self) -> None:
        await self._until(self._clean)
        if self._deployment:
            await self._until(self._operator_stopped)
            await self._until(self._forgotten)
            self._tell("the operator is stopped and its LVSNodes are deleted")

    async def _until(self, step: Callable[[], Awaitable[bool]]) -> None:
        """Take a step again and again until it says that it is done; trouble with the API server is waited out."""
        while True:
            try:
                if await step():
                    return
            except NoConfiguration:
                raise
            except ApiTrouble as trouble:
                self._tell(str(trouble))
            await asyncio.sleep(PAUSE)

    async def _clean(self) -> bool:
        nodes = await self._nodes()
        for node in nodes:
            if not node.spec.retire:
                await self._mark(node, {"retire": True})
        progress = progress_of(nodes)
        self._tell(str(progress))
        return not progress.waiting and all(node.spec.retire for node in nodes)

    async def _operator_stopped(self) -> bool:
        namespace, name = self._deployment or ("", "")
        try:
            await self._connection.scale_down(namespace, name)
            left = await self._connection.pods_of(namespace, name)
        except Refused as trouble:
            if trouble.not_found:
                return True
            raise
        self._tell(f"Deployment {namespace}/{name} has {left} pods left")
        return left == 0

    async def _forgotten(self) -> bool:
        for node in await self._nodes():
            if MANAGED_BY.items() <= node.metadata.labels.items():
                await self._connection.delete(Delete(_target(node), node.metadata.uid))
            else:
                await self._mark(node, {})
        return True

    async def _nodes(self) -> list[LVSNode]:
        try:
            return await self._connection.lvs_nodes()
        except Refused as trouble:
            if trouble.not_found:  # the kind itself is gone
                return []
            raise

    async def _mark(self, node: LVSNode, spec: dict[str, object]) -> None:
        metadata = {"uid": node.metadata.uid}
        await self._connection.apply(Apply(_target(node), metadata, {"spec": spec}), FIELD_MANAGER)

    def _tell(self, line: str) -> None:
        if line != self.last_said:
            self.last_said = line
            self._say(line)


def _target(node: LVSNode) -> Target:
    return Target(LVSNode, node.metadata.key)
