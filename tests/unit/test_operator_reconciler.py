"""What the reconciler makes of answers and events that cross each other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from lvs_api.meta import ObjectKey
from lvs_api.virtualservice import VirtualService
from lvs_operator.intents import Apply, Delete
from lvs_operator.reconciler import Reconciler
from lvs_operator.resources import Target, resource_of

WEB = {
    "metadata": {"name": "web", "namespace": "shop", "uid": "uid-1", "resourceVersion": "1", "generation": 1},
    "spec": {"ports": [{"port": 80}], "realServers": {"selector": {}}},
}
TARGET = Target(VirtualService, ObjectKey("shop", "web"))


class SlowAnswers:
    """Answers a write when the test says so, with the object as it was when it was written."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()

    async def apply(self, intent: Apply) -> Mapping[str, Any]:
        self.asked.set()
        await self.answer.wait()
        return {**WEB, **intent.fields, "metadata": {**WEB["metadata"], "resourceVersion": "2"}}

    async def delete(self, intent: Delete) -> None:
        raise AssertionError(f"nothing is to be deleted: {intent}")


async def test_an_object_deleted_while_it_is_written_is_looked_for_when_the_answer_comes_after_the_event() -> None:
    answers, looked_for = SlowAnswers(), asyncio.Event()
    reconciler = Reconciler(answers, looked_for.set)
    jobs = [asyncio.create_task(job) for job in reconciler.jobs()]
    reconciler.put(resource_of(VirtualService), WEB)
    reconciler.everything_listed()
    async with asyncio.timeout(10):
        await answers.asked.wait()

        reconciler.remove(TARGET, "uid-1")
        answers.answer.set()

        await looked_for.wait()
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
