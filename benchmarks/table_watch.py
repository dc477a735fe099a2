"""Prints the weight of the only real server in this namespace's IPVS table each time it changes, until ended."""

from __future__ import annotations

import time

POLL = 0.002  # seconds


def weight() -> str:
    """Return the weight, empty if there is no real server."""
    with open("/proc/net/ip_vs") as table:
        lines = [line.split() for line in table if line.startswith("  -> ") and "RemoteAddress" not in line]
    return lines[0][3] if lines else ""


def main() -> None:
    """Watch."""
    last = ""
    while True:
        now = weight()
        if now != last:
            last = now
            print(f"{now} ", flush=True)
        time.sleep(POLL)


if __name__ == "__main__":
    main()
