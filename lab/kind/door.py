"""Lets commands of pods into the kernel beside their node: listens where pods of the node's network can reach it.

Usage: python -m lab.kind.door ADDRESS PORT, in the node's network namespace; ADDRESS and PORT are those of lab.guest in
that kernel. A pod's command runs there on the pod's own files, volumes included, which the kernel finds by the process
that asks, and ends with that process.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
import threading

from lab.guest import receive, send

__all__ = ["NAME"]

# Abstract: it belongs to the network namespace, which a pod on the host's network shares, and needs no volume.
NAME = "\0lvs-lab-kernel"
CREDENTIALS = struct.Struct("3i")  # struct ucred, linux/socket.h
# A magic link in /proc leads into another mount namespace; hostfs must not take it for a link to read.
SCRIPT = """
root=/run/pods/$1; shift
mkdir -p "$root"
mount -t hostfs -o "/proc/${root##*/}/root/." none "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sys "$root/sys"
mount --rbind /dev "$root/dev"
exec chroot "$root" "$@"
"""


def admit(pod: socket.socket, server: tuple[str, int]) -> None:
    """Start a pod's command and pass on what it and the pod have to say to each other."""
    pid, _, _ = CREDENTIALS.unpack(pod.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
    with pod, socket.create_connection(server) as kernel:
        frame = receive(pod)
        if frame is None:
            return
        asked = json.loads(frame[1])
        argv = ["unshare", "--mount", "--propagation=private", "/bin/sh", "-ec", SCRIPT, "sh", str(pid), *asked["argv"]]
        request = {"op": "run", "argv": argv, "env": asked["env"], "stdin": False}
        send(kernel, b"R", json.dumps(request).encode())
        back = threading.Thread(target=_pass_on, args=(kernel, pod), daemon=True)
        back.start()
        _pass_on(pod, kernel)
        back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def main() -> None:
    """Listen until ended."""
    server = (sys.argv[1], int(sys.argv[2]))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(NAME)
        listener.listen(64)
        while True:
            pod, _ = listener.accept()
            threading.Thread(target=admit, args=(pod, server), daemon=True).start()


if __name__ == "__main__":
    main()
