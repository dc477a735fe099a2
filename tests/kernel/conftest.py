"""Refuses to run outside a kernel with IPVS; gives tests a network namespace of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.kernel.namespaces import Namespace, new_namespace


def pytest_sessionstart() -> None:
    if os.environ.get("LVS_LAB_KERNEL") != "1":
        pytest.exit("these tests write to the kernel they run in: start them with `make test-kernel`", returncode=1)
    if not os.path.exists("/proc/net/ip_vs"):
        pytest.exit("the kernel these tests run in has no IPVS: start them with `make test-kernel`", returncode=1)


@pytest.fixture
def netns() -> Iterator[Namespace]:
    """A fresh network namespace with lo up, which the test's thread is in."""
    with new_namespace() as namespace, namespace.entered():
        yield namespace
