"""What the fine-tuning workers do: read, train, judge, log, register, deploy."""

import asyncio
import time
from typing import Any

import msgspec

from embedding_studio.fine_tuning.dataset import Dataset, DatasetReader
from embedding_studio.fine_tuning.evaluation import Evaluator, guard_slices, outcomes, outcomes_on_new_items
from embedding_studio.fine_tuning.experiment_log import ExperimentLog
from embedding_studio.fine_tuning.gate import GateEvidence, GateRecord, decide
from embedding_studio.fine_tuning.jobs import FINE_TUNE
from embedding_studio.fine_tuning.training import Candidate, Trainer
from embedding_studio.fine_tuning.witnesses import Witnesses
from embedding_studio.inference import DeploymentService, EmbeddingService, ModelService, ModelVersion, NewModel
from embedding_studio.tasks import Handler, Job, Outcome, Run
from embedding_studio.vector_store import (
    BASE_MODEL_VERSION,
    Collection,
    CollectionService,
    DeploymentMovedError,
    ItemStore,
)

__all__ = ["FineTuner", "handlers"]

_STEPS = 5


class FineTuner:
    """Runs the track `query_adapter` from sessions to deployment."""

    def __init__(
        self,
        *,
        collections: CollectionService,
        items: ItemStore,
        embeddings: EmbeddingService,
        models: ModelService,
        deployments: DeploymentService,
        datasets: DatasetReader,
        trainer: Trainer,
        evaluator: Evaluator,
        log: ExperimentLog,
    ) -> None:
        self._collections = collections
        self._items = items
        self._embeddings = embeddings
        self._models = models
        self._deployments = deployments
        self._datasets = datasets
        self._trainer = trainer
        self._evaluator = evaluator
        self._log = log

    async def run(self, run: Run) -> Outcome:
        """Do one fine-tuning; an attempt that died after registering its model only deploys it."""
        collection = await self._collections.current(run.collection)
        model = await self._models.of_task(run.task_id)
        if model is None:
            await run.advance(0, _STEPS)
            dataset = await self._read(run, collection)
            if not dataset.is_enough:
                return Outcome(result=_nothing_to_learn(run, dataset))
            model = await self._learn(run, collection, dataset)
        deployed = await self._deploy(run, collection, model)
        await run.advance(_STEPS)
        return Outcome(result={"model_version": model.version, **model.result, "deployed": deployed})

    async def _read(self, run: Run, collection: Collection) -> Dataset:
        return await self._datasets.read(
            collection,
            self._collections.plugin_of(collection).training.build(),
            since=run.payload["since"],
            until=run.payload["until"],
            salt=collection.name,
        )

    async def _learn(self, run: Run, collection: Collection, dataset: Dataset) -> ModelVersion:
        started = time.monotonic()
        witnesses = await Witnesses.take(self._items, collection)
        await run.advance(1)
        candidate = await self._trainer.train(collection, dataset, run.payload["params"])
        await run.advance(2)
        evidence = await self._evidence(collection, dataset, candidate, witnesses)
        record = await asyncio.to_thread(decide, evidence, seed=candidate.config.seed)
        await run.advance(3)
        run_id = await asyncio.to_thread(
            self._log.write,
            experiment=run.collection,
            tags={"task_id": run.task_id, "gate": record.decision},
            params={name: run.payload[name] for name in ("track", "since", "until", "base_version")},
            dataset=dataset,
            candidate=candidate,
            record=record,
        )
        await run.advance(4)
        result = _result(run, dataset, record, run_id, seconds=time.monotonic() - started)
        new = NewModel(
            task_id=run.task_id,
            track=run.payload["track"],
            parent=run.payload["base_version"],
            compared_with=collection.deployment_id,
            adapter=candidate.adapter,
            gate_record=msgspec.json.encode(record.as_dict()),
            result=result,
        )
        return await self._models.register(collection, new)

    async def _evidence(
        self, collection: Collection, dataset: Dataset, candidate: Candidate, witnesses: Witnesses
    ) -> GateEvidence:
        """Judge the candidate beside the deployed version, on queries that neither training nor choice has seen."""
        keys = dataset.splits["gate"]
        texts = [dataset.groups[key].text for key in keys]
        plain = await self._embeddings.embed(collection, texts, "query", model_version=BASE_MODEL_VERSION)
        deployed = await self._models.adapter(collection, collection.model_version)
        before = await self._evaluator.rank(collection, dataset, keys, deployed.apply(plain) if deployed else plain)
        after = await self._evaluator.rank(collection, dataset, keys, candidate.adapter.apply(plain))
        return GateEvidence(
            outcomes=outcomes(dataset, before, after),
            slices=guard_slices(dataset),
            slices_of_items={"items_never_clicked": outcomes_on_new_items(dataset, before, after)},
            canary_difference=candidate.canary_difference,
            items_identical=await witnesses.are_unchanged(self._items, collection),
            data_hash=dataset.judgments.content_hash,
        )

    async def _deploy(self, run: Run, collection: Collection, model: ModelVersion) -> bool:
        """Deploy what the gate promoted, unless the gate compared it with a version that is not deployed any more."""
        if model.decision != "promote" or run.payload["deploy"] != "if_better":
            return False
        try:
            await self._deployments.switch(
                collection,
                model.version,
                task_id=run.task_id,
                note="promoted by the gate",
                leaving=model.compared_with,
            )
        except DeploymentMovedError:
            return False
        return True


def handlers(tuner: FineTuner) -> dict[Job, Handler]:
    """The jobs of this context and what does them."""
    return {FINE_TUNE: tuner.run}


def _result(run: Run, dataset: Dataset, record: GateRecord, run_id: str, *, seconds: float) -> dict[str, Any]:
    return {
        "mlflow_run_id": run_id,
        "track": run.payload["track"],
        "data": _data(dataset),
        "metrics": msgspec.to_builtins(record.metrics),
        "gate": {"decision": record.decision, "reasons": list(record.reasons), "groups": record.groups},
        "seconds": round(seconds, 3),
    }


def _nothing_to_learn(run: Run, dataset: Dataset) -> dict[str, Any]:
    reason = "no query has an item that enough users agree on, in both the training and the gate split"
    return {
        "model_version": None,
        "mlflow_run_id": None,
        "track": run.payload["track"],
        "data": _data(dataset),
        "metrics": {},
        "gate": {"decision": "not_enough_evidence", "reasons": [reason], "groups": len(dataset.splits["gate"])},
        "seconds": 0.0,
        "deployed": False,
    }


def _data(dataset: Dataset) -> dict[str, Any]:
    return {
        "sessions": dataset.sessions,
        "judgments": len(dataset.judgments.rows),
        "groups": len(dataset.groups),
        "dropped": dataset.dropped,
    }
