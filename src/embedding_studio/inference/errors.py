"""What can go wrong with models."""

from embedding_studio.kernel.errors import ConflictError, InvalidError, NotFoundError, UnavailableError

__all__ = [
    "BrokenModelError",
    "EncoderNotReadyError",
    "ModelNotFoundError",
    "NoEncoderError",
    "NothingToRollBackError",
    "OtherEncoderError",
    "RefusedModelError",
]


class ModelNotFoundError(NotFoundError):
    """The collection has no such model version."""

    def __init__(self, collection: str, version: int) -> None:
        super().__init__(f"the collection {collection!r} has no model version {version}")


class BrokenModelError(UnavailableError):
    """What is stored of a model is not what was registered. No request is wrong, and waiting alone repairs nothing."""

    retryable = False

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after=60)


class EncoderNotReadyError(UnavailableError):
    """The encoder was not exported yet."""

    def __init__(self, model: str) -> None:
        super().__init__(f"the encoder {model!r} is being made ready; `embedding-studio export` does it", retry_after=5)


class NoEncoderError(InvalidError):
    """The collection's items bring their own vectors, so no text can be embedded."""

    def __init__(self) -> None:
        super().__init__("this collection's items bring their own vectors; there is no encoder for texts")


class OtherEncoderError(ConflictError):
    """The model goes with the vectors of another encoder than the one that made the index."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"model version {version} goes with another encoder's vectors than the index's;"
            " deploy it with its own index, or train a new one"
        )


class RefusedModelError(ConflictError):
    """The gate did not promote the model."""

    def __init__(self, version: int, decision: str) -> None:
        super().__init__(
            f"the gate said {decision!r} of model version {version}; send `force` and a `note` to deploy it",
        )


class NothingToRollBackError(ConflictError):
    """The collection serves its first deployment."""

    def __init__(self, collection: str) -> None:
        super().__init__(f"the collection {collection!r} has no earlier deployment")
