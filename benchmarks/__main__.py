"""Runs the measurements on one kernel and prints one table."""

from __future__ import annotations

import argparse
import sys

from benchmarks import change, load
from benchmarks.report import table
from lab.kernel import boot
from lab.topologies import one_subnet
from lab.topology import Network

__all__ = ["main"]

MEASUREMENTS = ("load", "change", "apply")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("only", nargs="*", choices=[[], *MEASUREMENTS], help="which ones; all, if left out")
    wanted = parser.parse_args().only or MEASUREMENTS
    rows = []
    kernel = boot()
    try:
        with Network(kernel, one_subnet()) as network:
            director = network["director-1"]
            if "load" in wanted:
                rows += load.measure(director)
            if "change" in wanted:
                rows += change.measure(director)
            if "apply" in wanted:
                from benchmarks import apply

                rows += apply.measure(network)
    finally:
        kernel.close()
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
