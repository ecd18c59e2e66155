"""The end of a process that has nothing left to do, though a thread of it does not end."""

import logging
import os
import threading

__all__ = ["leave_within"]

logger = logging.getLogger(__name__)


def leave_within(seconds: float) -> None:
    """End the process after so many seconds if it has not ended by itself: code of a plugin may hold it for ever."""

    def leave() -> None:
        logger.warning("something does not end, and is left behind")
        os._exit(os.EX_SOFTWARE)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()
