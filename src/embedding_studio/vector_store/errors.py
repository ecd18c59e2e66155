"""What can go wrong with collections and items."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from embedding_studio.kernel.errors import ConflictError, NotFoundError

__all__ = [
    "CollectionExistsError",
    "CollectionLeavesError",
    "CollectionNotFoundError",
    "DeploymentMovedError",
    "ItemNotFoundError",
    "ReindexRunsError",
    "deletable_meanwhile",
]


class CollectionNotFoundError(NotFoundError):
    """No collection has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no collection {name!r}")


class CollectionExistsError(ConflictError):
    """The name is taken."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a collection {name!r} exists already")


class CollectionLeavesError(ConflictError):
    """Somebody deletes it already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the collection {name!r} is being deleted already; wait until it is gone")


class ItemNotFoundError(NotFoundError):
    """The collection has no such item."""

    def __init__(self, item_id: str) -> None:
        super().__init__(f"no item {item_id!r}")


class ReindexRunsError(ConflictError):
    """Another reindex builds an index."""

    def __init__(self, name: str) -> None:
        super().__init__(f"an index of {name!r} is being built already; cancel that task, or wait for it")


class DeploymentMovedError(ConflictError):
    """Another deployment came first."""


@contextmanager
def deletable_meanwhile(name: str) -> Iterator[None]:
    """Read what the database says of a collection whose tables are gone as what it means.

    Raises:
        CollectionNotFoundError: The collection was deleted between looking it up and using it.
    """
    try:
        yield
    except (asyncpg.UndefinedTableError, asyncpg.ForeignKeyViolationError):
        raise CollectionNotFoundError(name) from None
