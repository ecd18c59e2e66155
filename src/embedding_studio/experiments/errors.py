"""What can go wrong with experiments."""

from embedding_studio.kernel.errors import ConflictError, NotFoundError

__all__ = ["ExperimentEndedError", "ExperimentNotFoundError", "ExperimentRunsError", "PromotionError"]


class ExperimentNotFoundError(NotFoundError):
    """The collection has no such experiment."""

    def __init__(self, collection: str, experiment_id: str) -> None:
        super().__init__(f"the collection {collection!r} has no experiment {experiment_id!r}")


class ExperimentRunsError(ConflictError):
    """The collection has an experiment that was not stopped."""

    def __init__(self, collection: str) -> None:
        super().__init__(f"the collection {collection!r} has an experiment already; stop it, or wait for it")


class ExperimentEndedError(ConflictError):
    """It does not run any more."""

    def __init__(self, experiment_id: str, state: str) -> None:
        super().__init__(f"the experiment {experiment_id} has ended: it is {state}")


class PromotionError(ConflictError):
    """The arm differs in what no deployment changes."""

    def __init__(self, variant: str) -> None:
        super().__init__(
            f"the {variant} has a ranking of its own, which is no deployment's to change: write it into the plugin"
        )
