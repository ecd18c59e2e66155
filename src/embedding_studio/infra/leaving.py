"""The end of a process that has nothing left to do, though a thread of it does not end."""

import logging
import os
import threading

__all__ = ["LEAVE_WITHIN", "leave_soon"]

logger = logging.getLogger(__name__)

LEAVE_WITHIN = 10.0
"""Seconds that a process has to end by itself."""


def leave_soon() -> None:
    """End the process if it has not ended by itself in time: code of a plugin may hold it for ever."""

    def leave() -> None:
        logger.warning("something does not end, and is left behind")
        os._exit(os.EX_SOFTWARE)

    timer = threading.Timer(LEAVE_WITHIN, leave)
    timer.daemon = True
    timer.start()
