"""Bars for work that people wait for."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["bars"]

_REFRESHES = 10


def bars(console: Console, *, refreshes: float = _REFRESHES) -> Progress:
    """Bars that say what is done, how much of it, and since when; drawn so many times a second."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console, refresh_per_second=refreshes)
