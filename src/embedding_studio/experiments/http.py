"""The endpoints of experiments."""

from typing import Annotated

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from embedding_studio.experiments.schemas import ExperimentIn, ExperimentPage, ExperimentRow, ExperimentView, StopIn
from embedding_studio.experiments.service import ExperimentService

__all__ = ["ExperimentController"]

_NEWEST = "g"


class ExperimentController(Controller):
    """Two versions or rankings side by side."""

    path = "/api/v1/collections/{name:str}/experiments"
    tags = ("experiments",)

    @post()
    async def create_experiment(
        self, experiments: NamedDependency[ExperimentService], name: FromPath[str], data: JSONBody[ExperimentIn]
    ) -> ExperimentRow:
        """Start an experiment; it is `preparing` while an arm's own index is being built."""
        return ExperimentRow.of(await experiments.create(name, data.to_domain()))

    @get()
    async def list_experiments(
        self,
        experiments: NamedDependency[ExperimentService],
        name: FromPath[str],
        cursor: Annotated[str | None, QueryParameter(pattern="^[0-9a-f]{32}$")] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    ) -> ExperimentPage:
        """List experiments, newest first."""
        found = await experiments.page(name, before=cursor or _NEWEST, limit=limit)
        more = len(found) == limit
        return ExperimentPage([ExperimentRow.of(one) for one in found], found[-1].id if more else None)

    @get("/{experiment_id:str}")
    async def get_experiment(
        self, experiments: NamedDependency[ExperimentService], name: FromPath[str], experiment_id: FromPath[str]
    ) -> ExperimentView:
        """Look at an experiment: its searches are counted now."""
        experiment = await experiments.get(name, experiment_id)
        return ExperimentView.counted(experiment, await experiments.count(experiment))

    @post("/{experiment_id:str}/stop", status_code=200)
    async def stop_experiment(
        self,
        experiments: NamedDependency[ExperimentService],
        name: FromPath[str],
        experiment_id: FromPath[str],
        data: JSONBody[StopIn | None] = None,
    ) -> ExperimentRow:
        """Stop an experiment; `promote` deploys an arm, by the task that `task_id` names."""
        wish = data or StopIn()
        return ExperimentRow.of(await experiments.stop(name, experiment_id, promote=wish.promote))
