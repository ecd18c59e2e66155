"""What the benches that are made of sections share: which sections are measured, and on what machine."""

import os
from collections.abc import Collection, Sequence

from embedding_studio.bench.figures import Figure, seen
from embedding_studio.kernel.errors import InvalidError

__all__ = ["chosen", "machine"]


def chosen(sections: Collection[str], only: Sequence[str], *, only_when_asked: Collection[str]) -> list[str]:
    """The sections to measure, in their order: those named in `only`, or all but those that want to be asked for.

    Raises:
        InvalidError: There is no section of that name.
    """
    unknown = sorted(set(only) - set(sections))
    if unknown:
        raise InvalidError.at("--only", f"there is no section {', '.join(unknown)}; there are: {', '.join(sections)}")
    return [name for name in sections if (name in only if only else name not in only_when_asked)]


def machine() -> list[Figure]:
    """What is measured on, and how busy it is before."""
    return [seen("machine", "cores", os.cpu_count() or 1), seen("machine", "load_before", os.getloadavg()[0])]
