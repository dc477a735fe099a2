"""What a program says of itself over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from lvs_common.endpoint import application, serving
from lvs_common.listen import CannotListen, Listen


class Metrics(Collector):
    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("lvs_answer", "The answer.", value=42)


def nothing() -> str:
    return ""


@pytest.mark.parametrize(("path", "stuck", "unready"), [("/healthz", "stuck", ""), ("/readyz", "", "not yet")])
async def test_what_stands_in_the_way_is_answered_with_503_and_the_reason(path: str, stuck: str, unready: str):
    async with TestClient(TestServer(application(lambda: stuck, lambda: unready, Metrics()))) as client:
        answer = await client.get(path)

        assert (answer.status, await answer.text()) == (503, f"{stuck or unready}\n")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_nothing_in_the_way_is_answered_with_200(path: str):
    async with TestClient(TestServer(application(nothing, nothing, Metrics()))) as client:
        assert (await client.get(path)).status == 200


async def test_metrics_are_the_programs_and_those_of_its_process():
    async with TestClient(TestServer(application(nothing, nothing, Metrics()))) as client:
        text = await (await client.get("/metrics")).text()

        assert "lvs_answer 42.0\n" in text
        assert "process_resident_memory_bytes" in text


async def test_a_port_that_is_taken_is_told_by_its_number(unused_tcp_port: int):
    where = Listen("127.0.0.1", unused_tcp_port)
    async with serving(where, stuck=nothing, unready=nothing, metrics=Metrics()):
        with pytest.raises(CannotListen, match=f"cannot listen on {where}.*--listen"):
            async with serving(where, stuck=nothing, unready=nothing, metrics=Metrics()):
                pass
