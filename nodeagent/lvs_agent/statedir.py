"""Keeps a second agent out of a state directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from lvs_agent.errors import AgentError

__all__ = ["StateDirLock", "StateDirLocked", "StateDirUnusable"]

FILE_NAME = "lock"


class StateDirLocked(AgentError):
    """Another process works with the state directory.

    Parameters
    ----------
    pid
        Of that process; None if it has not written it down yet.
    """

    def __init__(self, state_dir: Path, pid: int | None) -> None:
        self.state_dir = state_dir
        self.pid = pid
        who = "another process" if pid is None else f"process {pid}"
        super().__init__(f"{state_dir} is in use by {who}; stop it first, or name another --state-dir")


class StateDirUnusable(AgentError):
    """The state directory cannot be made or written."""

    def __init__(self, state_dir: Path, reason: str) -> None:
        self.state_dir = state_dir
        self.reason = reason
        super().__init__(f"--state-dir {state_dir} cannot be used: {reason}")


class StateDirLock:
    """Holds a state directory while entered; the kernel lets go of it when the process ends, however it ends.

    Raises
    ------
    StateDirLocked
        On entering, if another process holds it.
    StateDirUnusable
        On entering, if the directory (made with mode 0700) cannot be used.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._descriptor: int | None = None

    def __enter__(self) -> StateDirLock:
        try:
            self._state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._state_dir / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateDirUnusable(self._state_dir, str(error.strerror or error)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).strip()
            os.close(descriptor)
            raise StateDirLocked(self._state_dir, int(holder) if holder.isdigit() else None) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            # The file stays: deleting it would let two processes lock two files of one name.
            os.close(self._descriptor)
            self._descriptor = None
