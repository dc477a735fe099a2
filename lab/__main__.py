"""Enters the lab, or runs a command in its kernel."""

from __future__ import annotations

import argparse
import os
import sys

from lab import session, tools
from lab.errors import LabError

__all__ = ["main"]


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m lab", description="A kernel with IPVS, and room for tests.")
    parser.add_argument(
        "verb",
        choices=["enter", "run", "tools", "prepare-kind", "inside", "run-inside"],
        help="enter: run a command in namespaces of the lab's own. run: run it in a kernel with IPVS there. "
        "tools: build etcd, kube-apiserver, kubectl and helm where they are not there yet. "
        "prepare-kind: build or fetch what a kind cluster and the product's images are made of.",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command, after --")
    arguments = parser.parse_args()
    if arguments.verb == "tools":
        print(tools.build().kubectl.parent)
        return 0
    if arguments.verb == "prepare-kind":
        from lab.kind.parts import prepare

        prepare()
        return 0
    command = [*arguments.command]
    if command[:1] == ["--"]:
        command = command[1:]
    if not command:
        parser.error("name a command after --")
    match arguments.verb:
        case "enter":
            return session.enter(command)
        case "run":
            return session.enter([sys.executable, "-m", "lab", "run-inside", "--", *command])
        case "inside":
            return session.inside(command)
        case _:
            return _run_in_kernel(command)


def _run_in_kernel(command: list[str]) -> int:
    from lab.kernel import boot

    kernel = boot()
    try:
        process = kernel.popen(command, cwd=os.getcwd(), env={"LVS_LAB_KERNEL": "1"}, live=True)
        return process.wait(timeout=3600)
    finally:
        kernel.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        sys.exit(1)
