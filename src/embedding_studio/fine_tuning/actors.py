"""What the fine-tuning workers do: read, train, judge, log, register, deploy."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from embedding_studio.fine_tuning.championing import Championing
from embedding_studio.fine_tuning.dataset import Dataset, DatasetReader, Group
from embedding_studio.fine_tuning.evaluation import (
    Evaluator,
    Ranked,
    guard_slices,
    outcomes,
    outcomes_of_editors,
    outcomes_on_new_items,
)
from embedding_studio.fine_tuning.experiment_log import ExperimentLog
from embedding_studio.fine_tuning.fidelity import FidelityMeter
from embedding_studio.fine_tuning.gate import GateEvidence, GateRecord, decide
from embedding_studio.fine_tuning.jobs import FINE_TUNE
from embedding_studio.fine_tuning.learning import Learned, Learner
from embedding_studio.fine_tuning.materials import Materials, MaterialsReader
from embedding_studio.fine_tuning.preview import Previewer
from embedding_studio.fine_tuning.training import Candidate
from embedding_studio.fine_tuning.witnesses import Witnesses
from embedding_studio.inference import (
    DeploymentService,
    EmbeddingService,
    ModelService,
    ModelVersion,
    NewModel,
    OnnxEncoder,
)
from embedding_studio.sdk import GainOf
from embedding_studio.tasks import Handler, Idempotency, Job, Outcome, Run
from embedding_studio.vector_store import Collection, CollectionService, DeploymentMovedError, ItemStore

__all__ = ["FineTuner", "Judge", "handlers"]

_PERCENT = 100
_READ, _TRAINED, _JUDGED, _LOGGED = 5, 75, 90, 95

Floats = NDArray[np.float32]


class Judge:
    """Ranks the gate's queries by the deployed version and by a candidate."""

    def __init__(
        self,
        *,
        items: ItemStore,
        embeddings: EmbeddingService,
        evaluator: Evaluator,
        previewer: Previewer,
        fidelity: FidelityMeter,
        threads: int,
    ) -> None:
        self._items = items
        self._embeddings = embeddings
        self._evaluator = evaluator
        self._previewer = previewer
        self._fidelity = fidelity
        self._threads = threads

    async def judge(
        self,
        materials: Materials,
        dataset: Dataset,
        candidate: Candidate,
        witnesses: Witnesses,
        *,
        gain_of: GainOf,
        since: datetime | None,
        until: datetime,
    ) -> GateEvidence:
        """Judge the candidate beside the deployed version, on queries that neither training nor choice has seen.

        A candidate that leaves the items alone is judged through the search that answers users; one that does not has
        no index yet, and both versions are compared in memory.
        """
        collection = materials.collection
        gate, curated = dataset.splits["gate"], list(dataset.curated)
        groups = [*(dataset.groups[key] for key in gate), *dataset.curated.values()]
        ranked = await self._rankings(materials, groups, candidate)
        before, after = (dict(zip(gate, one[: len(gate)], strict=True)) for one in ranked)
        editors = (dict(zip(curated, one[len(gate) :], strict=True)) for one in ranked)
        of_items = candidate.encoder is not None and candidate.encoder.of_items
        return GateEvidence(
            outcomes=outcomes(dataset, before, after),
            slices=guard_slices(dataset),
            slices_of_items={"items_never_clicked": outcomes_on_new_items(dataset, before, after)},
            curated=outcomes_of_editors(dataset, *editors),
            canary_difference=candidate.canary_difference,
            items_identical=None if of_items else await witnesses.are_unchanged(self._items, collection),
            data_hash=dataset.judgments.content_hash,
            replay=await self._evaluator.replay(collection, gain_of, before, after, since=since, until=until),
            fidelity=await self._fidelity.measure(materials, candidate),
        )

    async def _rankings(
        self, materials: Materials, groups: Sequence[Group], candidate: Candidate
    ) -> tuple[list[Ranked], list[Ranked]]:
        """The rankings of each group by both."""
        collection = materials.collection
        texts = await self._evaluator.texts(collection, groups)
        deployed = await self._embeddings.embed(collection, texts, "query")
        if candidate.encoder and candidate.encoder.of_items:
            return await self._previewer.rank(
                collection, groups, texts, deployed, candidate.encoder.folder, candidate.adapter
            )
        vectors = await self._queries(materials, candidate, texts)
        return (
            await self._evaluator.rank(collection, groups, deployed),
            await self._evaluator.rank(collection, groups, vectors),
        )

    async def _queries(self, materials: Materials, candidate: Candidate, texts: list[str]) -> Floats:
        if candidate.encoder:
            encoder = await asyncio.to_thread(OnnxEncoder.load, candidate.encoder.folder, threads=self._threads)
            vectors = await asyncio.to_thread(encoder.encode, texts, "query")
        else:
            vectors = await self._embeddings.embed_queries(materials.start.without_adapter, texts)
        return candidate.adapter.apply(vectors) if candidate.adapter else vectors


class FineTuner:
    """Runs every track from sessions to deployment."""

    def __init__(
        self,
        *,
        collections: CollectionService,
        models: ModelService,
        deployments: DeploymentService,
        datasets: DatasetReader,
        reader: MaterialsReader,
        learner: Learner,
        judge: Judge,
        items: ItemStore,
        log: ExperimentLog,
        championing: Championing,
    ) -> None:
        self._collections = collections
        self._models = models
        self._deployments = deployments
        self._datasets = datasets
        self._reader = reader
        self._learner = learner
        self._judge = judge
        self._items = items
        self._log = log
        self._championing = championing

    async def run(self, run: Run) -> Outcome:
        """Do one fine-tuning; an attempt that died goes on: with its checkpoints, or with its registered model."""
        collection = await self._collections.current(run.collection)
        model = await self._models.of_task(run.task_id)
        if model is None:
            await run.advance(0, _PERCENT)
            dataset = await self._read(run, collection)
            if not dataset.is_enough:
                return Outcome(result=_nothing_to_learn(run, dataset))
            try:
                model = await self._learn(run, collection, dataset)
            except asyncio.CancelledError:
                if run.wish == "cancel":
                    await self._learner.forget(run.task_id)
                raise
        await self._learner.forget(run.task_id)
        deployment = await self._deploy(run, collection, model)
        await run.advance(_PERCENT)
        return Outcome(result={"model_version": model.version, **model.result, **deployment})

    async def _read(self, run: Run, collection: Collection) -> Dataset:
        return await self._datasets.read(
            collection,
            self._collections.plugin_of(collection).training.build(),
            since=run.payload["since"],
            until=run.payload["until"],
            salt=collection.name,
        )

    async def _learn(self, run: Run, collection: Collection, dataset: Dataset) -> ModelVersion:
        """Train, judge, log and register."""
        started = time.monotonic()
        witnesses = await Witnesses.take(self._items, collection)
        materials = await self._reader.read(collection, dataset, run.payload["base_version"])
        await run.advance(_READ)
        learned = await self._train(run, materials)
        await run.advance(_TRAINED)
        record = await self._decide(run, materials, dataset, learned.candidate, witnesses)
        await run.advance(_JUDGED)
        logged = await self._write(run, dataset, learned, record)
        await run.advance(_LOGGED)
        result = _result(dataset, learned, record, logged, seconds=time.monotonic() - started)
        return await self._models.register(
            collection, self._new_model(run, materials, learned.candidate, record, result)
        )

    async def _train(self, run: Run, materials: Materials) -> Learned:
        async def step(done: int, total: int) -> None:
            await run.advance(_READ + (_TRAINED - _READ) * done // max(1, total))

        return await self._learner.learn(
            run.payload["track"],
            materials,
            self._collections.plugin_of(materials.collection).learning.build(),
            run.payload["params"],
            task_id=run.task_id,
            step=step,
        )

    async def _decide(
        self, run: Run, materials: Materials, dataset: Dataset, candidate: Candidate, witnesses: Witnesses
    ) -> GateRecord:
        evidence = await self._judge.judge(
            materials,
            dataset,
            candidate,
            witnesses,
            gain_of=self._collections.plugin_of(materials.collection).training.build(),
            since=run.payload["since"],
            until=run.payload["until"],
        )
        return await asyncio.to_thread(decide, evidence, seed=int(candidate.params["seed"]))

    def _new_model(
        self, run: Run, materials: Materials, candidate: Candidate, record: GateRecord, result: dict[str, Any]
    ) -> NewModel:
        encoder = self._collections.plugin_of(materials.collection).encoder
        return NewModel(
            task_id=run.task_id,
            track=candidate.track,
            parent=materials.version,
            compared_with=materials.collection.deployment_id,
            gate_record=msgspec.json.encode(record.as_dict()),
            result=result,
            adapter=candidate.adapter,
            encoder=candidate.encoder,
            start=materials.start,
            root=encoder.build() if encoder else None,
            params=dict(candidate.params),
        )

    async def _write(self, run: Run, dataset: Dataset, learned: Learned, record: GateRecord) -> tuple[str, int]:
        return await asyncio.to_thread(
            self._log.write,
            experiment=run.collection,
            tags={"task_id": run.task_id, "gate": record.decision},
            params={name: run.payload[name] for name in ("track", "since", "until", "base_version")},
            dataset=dataset,
            learned=learned,
            record=record,
        )

    async def _deploy(self, run: Run, collection: Collection, model: ModelVersion) -> dict[str, Any]:
        """Deploy what the gate promoted, unless the gate compared it with a version that is not deployed any more.

        A model that goes with an index of its own is deployed by a task of its own, which builds that first.
        """
        if model.decision != "promote" or run.payload["deploy"] != "if_better":
            return {"deployed": False}
        if await self._models.needs_index(collection, model.version):
            once = Idempotency(f"deploy-{run.task_id}", scope="fine_tune", body=b"")
            task = await self._deployments.request(
                collection, model.version, note="promoted by the gate", idempotency=once
            )
            return {"deployed": False, "deploy_task_id": task.id}
        try:
            await self._deployments.switch(
                collection,
                model.version,
                task_id=run.task_id,
                note="promoted by the gate",
                leaving=model.compared_with,
            )
        except DeploymentMovedError:
            return {"deployed": False}
        await self._championing.note(run.collection)
        return {"deployed": True}


def handlers(tuner: FineTuner) -> dict[Job, Handler]:
    """The jobs of this context and what does them."""
    return {FINE_TUNE: tuner.run}


def _result(
    dataset: Dataset, learned: Learned, record: GateRecord, logged: tuple[str, int], *, seconds: float
) -> dict[str, Any]:
    run_id, version = logged
    return {
        "mlflow_run_id": run_id,
        "mlflow_version": version,
        "track": learned.candidate.track,
        "data": _data(dataset),
        "metrics": msgspec.to_builtins(record.metrics),
        "gate": {"decision": record.decision, "reasons": list(record.reasons), "groups": record.groups},
        "replay": msgspec.to_builtins(record.replay),
        "fidelity": msgspec.to_builtins(record.evidence.fidelity),
        "tried": [trial.as_dict() for trial in learned.trials],
        "device": learned.candidate.device,
        "examples_per_second": learned.candidate.examples_per_second,
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
        "curated": len(dataset.judgments.curated),
        "groups": len(dataset.groups),
        "dropped": dataset.dropped,
    }
