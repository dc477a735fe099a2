"""The README's demonstrations, as a newcomer runs them."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("options", [(), ("--cluster",)], ids=["make demo", "make demo-cluster"])
def test_a_demonstration_ends_well_and_shows_what_it_promises(options):
    command = [sys.executable, "-m", "lab", "enter", "--", sys.executable, "-m", "lab.demo", *options]

    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("failed requests: 0") == 3
    assert "rs-2:  300 replies, 75.0 %" in done.stdout
    assert "byte for byte what they were" in done.stdout
