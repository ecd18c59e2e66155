"""Libraries that only loaders need."""

from collections.abc import Iterator
from contextlib import contextmanager

from embedding_studio.kernel.errors import UnavailableError

__all__ = ["loaders_extra"]


@contextmanager
def loaders_extra() -> Iterator[None]:
    """Around imports from the extra `loaders`.

    Raises:
        UnavailableError: It is not installed; says how to.
    """
    try:
        yield
    except ImportError as error:
        raise UnavailableError(
            f"{error.name} is not installed; data loaders need `pip install embedding-studio[loaders]`"
        ) from error
