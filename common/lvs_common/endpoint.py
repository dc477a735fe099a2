"""What a program says of itself over HTTP: whether it is alive, whether it is ready, and its metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from lvs_common.listen import CannotListen, Listen

__all__ = ["application", "serving"]

Obstacle = Callable[[], str]


@asynccontextmanager
async def serving(where: Listen, *, stuck: Obstacle, unready: Obstacle, metrics: Collector) -> AsyncIterator[None]:
    """Answer /healthz, /readyz and /metrics for as long as the context lasts.

    Parameters
    ----------
    stuck, unready
        What stands in the way of being alive, and ready; empty if nothing does.
    metrics
        Is asked at each scrape.

    Raises
    ------
    CannotListen
        If that is not possible.
    """
    runner = web.AppRunner(application(stuck, unready, metrics), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, where.address, where.port).start()
        except OSError as error:
            raise CannotListen(where, error) from error
        yield
    finally:
        await runner.cleanup()


def application(stuck: Obstacle, unready: Obstacle, metrics: Collector) -> web.Application:
    """Return what ``serving`` serves."""
    registry = CollectorRegistry()
    for collector in (metrics, ProcessCollector(registry=None), PlatformCollector(registry=None)):
        registry.register(collector)

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    served = web.Application()
    served.router.add_get("/healthz", _verdict(stuck))
    served.router.add_get("/readyz", _verdict(unready))
    served.router.add_get("/metrics", show_metrics)
    return served


def _verdict(obstacle: Obstacle) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        why = obstacle()
        return web.Response(status=503 if why else 200, text=f"{why or 'ok'}\n")

    return answer
