"""Processes of others, seen from outside."""

import psutil

__all__ = ["is_gone"]


def is_gone(process: psutil.Process) -> bool:
    """Whether it has ended; it may be reaped between two looks at it."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
