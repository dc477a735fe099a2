#!/usr/bin/python3 -IS
"""Runs runc, asking only for capabilities that this machine has: a privileged container asks for all there are.

The container engine calls it as its runtime.
"""

import json
import os
import sys

# Bits of linux/capability.h that a machine's bounding set may lack.
NAMES = {
    16: "SYS_MODULE", 17: "SYS_RAWIO", 19: "SYS_PTRACE", 22: "SYS_BOOT", 24: "SYS_RESOURCE", 25: "SYS_TIME",
    27: "MKNOD", 38: "PERFMON", 39: "BPF", 40: "CHECKPOINT_RESTORE",
}  # fmt: skip


def missing() -> set[str]:
    """Return the names of capabilities that no process here can have."""
    with open("/proc/self/status") as status:
        [bounding] = [int(line.split()[1], 16) for line in status if line.startswith("CapBnd:")]
    return {f"CAP_{name}" for bit, name in NAMES.items() if not bounding >> bit & 1}


def strip(path: str) -> None:
    """Take what is missing out of a specification: of a container, or of a process that joins one."""
    with open(path) as file:
        spec = json.load(file)
    lacking = missing()
    capabilities = spec.get("process", spec).get("capabilities") or {}
    for kind, names in capabilities.items():
        capabilities[kind] = [name for name in names or () if name not in lacking]
    with open(path, "w") as file:
        json.dump(spec, file)


def option(words: list[str], *names: str) -> str | None:
    """Return the value of an option, given as two words or with an equals sign."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in names:
            return following
        if any(word.startswith(f"{name}=") for name in names):
            return word.partition("=")[2]
    return None


def main() -> None:
    """Mend the specification and become runc."""
    words = sys.argv[1:]
    if "create" in words or "run" in words:
        strip(os.path.join(option(words, "--bundle", "-b") or ".", "config.json"))
    elif "exec" in words and (path := option(words, "--process", "-p")):
        strip(path)
    os.execvp("runc", ["runc", *words])  # noqa: S606 - takes its place


if __name__ == "__main__":
    main()
