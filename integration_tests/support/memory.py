"""The memory of another process."""

from __future__ import annotations

from pathlib import Path


def peak_memory_of(pid: int) -> int:
    """The largest resident memory of a process so far, in bytes; 0 if Linux does not tell, as of one that has ended.

    `ru_maxrss` of a process would count what its parent held when it started it.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
