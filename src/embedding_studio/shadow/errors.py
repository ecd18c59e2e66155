"""What can go wrong with shadows."""

from embedding_studio.kernel.errors import ConflictError, NotFoundError

__all__ = ["NoIndexForShadowError", "ShadowExistsError", "ShadowNotFoundError"]


class ShadowExistsError(ConflictError):
    """The collection has a shadow."""

    def __init__(self, collection: str) -> None:
        super().__init__(f"the collection {collection!r} has a shadow already: delete it first")


class ShadowNotFoundError(NotFoundError):
    """The collection has no shadow."""

    def __init__(self, collection: str) -> None:
        super().__init__(f"the collection {collection!r} has no shadow")


class NoIndexForShadowError(ConflictError):
    """There is no filled index that the model goes with."""

    def __init__(self, collection: str, version: int) -> None:
        super().__init__(
            f"the collection {collection!r} has no index of the vectors that model {version} goes with. An experiment"
            f" with `traffic` 0 and an arm of this model builds one: make the shadow once that is `running`"
        )
