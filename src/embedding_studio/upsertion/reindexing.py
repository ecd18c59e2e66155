"""A new index beside the one that serves: filled, verified, then switched to."""

import asyncio
import time
from asyncio import sleep
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from embedding_studio.inference import BeforeSwitch, ModelService, OtherEncoderError, is_trained
from embedding_studio.infra.postgres import Pool
from embedding_studio.kernel.errors import ConflictError, UnavailableError
from embedding_studio.sdk import EncoderSource
from embedding_studio.tasks import FailedItem, Outcome, Run
from embedding_studio.upsertion.domain import NewItem, StagedItem
from embedding_studio.upsertion.embedding import Embedder
from embedding_studio.upsertion.preparing import Preparer, Preparers
from embedding_studio.upsertion.settings import UpsertionSettings
from embedding_studio.upsertion.verification import Verification, verify
from embedding_studio.vector_store import (
    BASE_MODEL_VERSION,
    Catalog,
    Collection,
    CollectionService,
    Indexes,
    IndexHolds,
    IndexVersion,
    IndexVersions,
    Item,
    ItemStore,
    VectorStoreSettings,
    merge_terms,
)

__all__ = ["Estimate", "Reindexer"]

_BATCH = 256
_MEASURED_ITEMS = 64
_SHOWN_FAILURES = 1_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a reindex would take.

    Attributes:
        seconds: From the speed of embedding a few stored items just now, in this process, at full capacity.
        bytes: Of the index that serves now; the new one takes as much beside it until the old one is retired.
    """

    items: int
    parts: int
    seconds: float
    bytes: int


class Reindexer:
    """Fills from the stored payloads, in the order of ids; what is written meanwhile goes to both indexes.

    Whatever dies, the next attempt goes on behind the last batch that was written.
    """

    def __init__(  # noqa: PLR0913  # keyword-only: its collaborators
        self,
        *,
        pool: Pool,
        catalog: Catalog,
        versions: IndexVersions,
        holds: IndexHolds,
        items: ItemStore,
        collections: CollectionService,
        preparers: Preparers,
        embedder: Embedder,
        indexes: Indexes,
        models: ModelService,
        before_switch: BeforeSwitch,
        settings: UpsertionSettings,
        store_settings: VectorStoreSettings,
    ) -> None:
        self._pool = pool
        self._catalog = catalog
        self._versions = versions
        self._holds = holds
        self._items = items
        self._collections = collections
        self._preparers = preparers
        self._embedder = embedder
        self._settings = settings
        self._indexes = indexes
        self._models = models
        self._before_switch = before_switch
        self._seen_within = store_settings.seen_within

    async def estimate(self, collection: Collection) -> Estimate:
        """What a reindex would take, measured on a few stored items."""
        items, parts = await self._versions.count(collection, collection.index_version)
        sample = await self._items.stored(collection, after="", limit=_MEASURED_ITEMS)
        version = IndexVersion(0, "building", collection.model_version, collection.dimensions, collection.encoder)
        preparer = await self._preparers.of(collection)
        started = time.perf_counter()
        if sample:
            prepared, _ = await preparer.prepare(await self._as_staged(collection, sample))
            await self._embedder.embed_all(collection, version, preparer, prepared)
        seconds = (time.perf_counter() - started) * items / max(1, len(sample))
        return Estimate(items, parts, seconds, await self._versions.size(collection, collection.index_version))

    async def refuse_other_encoder(self, collection: Collection, model_version: int) -> None:
        """Refuse a model that does not fit the encoder of the index to be.

        Raises:
            ModelNotFoundError: There is no such version.
            OtherEncoderError: The plugin names another encoder now, and only the base version fits.
        """
        _, serving = await self._target(collection, model_version)
        if serving != model_version:
            raise OtherEncoderError(model_version)

    async def run(self, run: Run) -> Outcome:
        """Build, verify, switch, or keep for who wants it without. What does not hold all items never serves."""
        collection = await self._collections.current(run.collection)
        index = await self._begin(run, collection)
        if index.state == "building":
            try:
                failures, verification = await self._build(run, collection, index)
            except asyncio.CancelledError:
                if run.wish == "cancel":
                    await self._versions.fail(collection.id, index.version)
                raise
            if failures or verification.problem:
                await self._versions.fail(collection.id, index.version)
                if failures:
                    shown = failures[:_SHOWN_FAILURES]
                    return Outcome("failed", {"index_version": index.version}, shown, len(failures))
                raise ConflictError(f"the new index was given up: {verification.problem}")
            await run.remember(verification=verification.as_dict())
            await self._hand_over(run, collection, index)
        present = await self._catalog.get(collection.name)
        return Outcome(
            result={
                "index_version": index.version,
                "model_version": present.model_version if _switches(run) else index.model_version,
                "verification": run.payload.get("verification"),
            }
        )

    async def switch_to_kept(self, run: Run, collection: Collection) -> Outcome | None:
        """Switch to an index that goes with the model and was kept in step; None if there is none."""
        encoder, version = await self._target(collection, run.payload.get("model_version"))
        kept = await self._catalog.serving(collection, version, encoder)
        if encoder is None or kept is None:
            return None
        await self._before_switch(kept)
        await self._catalog.switch_index(
            collection, index_version=kept.index_version, model_version=version, task_id=run.task_id
        )
        await self._be_seen()
        return Outcome(result={"index_version": kept.index_version, "model_version": version, "verification": None})

    async def _begin(self, run: Run, collection: Collection) -> IndexVersion:
        plugin = self._collections.plugin_of(collection)
        source, model_version = await self._target(collection, run.payload.get("model_version"))
        plain = source is not None and not is_trained(source)
        index = await self._versions.begin(
            collection,
            task_id=run.task_id,
            model_version=model_version,
            encoder=source,
            dimensions=await self._collections.dimensions_of(plugin) if plain else collection.dimensions,
        )
        if index.state == "failed":
            raise ConflictError("the index of this task was given up; ask for a new one")
        return index

    async def _build(
        self, run: Run, collection: Collection, index: IndexVersion
    ) -> tuple[list[FailedItem], Verification]:
        preparer = await self._preparers.of(collection)
        await self._fill(run, collection, index, preparer)
        if failures := await self._fill_missing(collection, index, preparer):
            outage = next((one.reason for one in failures if one.is_outage), None)
            if outage:
                raise UnavailableError(outage)
            return failures, Verification()
        fields = self._collections.plugin_of(collection).fields
        filled = _on(collection, index)
        await self._indexes.build(filled, index.version, fields)
        if await self._indexes.lacks(filled, index.version, fields):
            raise UnavailableError("the statement of an attempt that died still builds the index", retry_after=5)
        await merge_terms(self._pool, filled, index.version)
        return [], await self._verify(collection, index, preparer)

    async def _verify(self, collection: Collection, index: IndexVersion, preparer: Preparer) -> Verification:
        """Make the vectors of a sample again. Items that were written while this looked at them are left out."""
        sample = await self._items.sample(collection, version=index.version, limit=self._settings.verified_items)
        before = await self._items.stored_of(collection, list(sample))
        vectors = await self._items.vectors(collection, list(sample), version=index.version)
        prepared, _ = await preparer.prepare(await self._as_staged(collection, before))
        again = await self._embedder.embed_all(collection, index, preparer, prepared)
        places = {item.id: item.place for item in await self._items.stored_of(collection, list(sample))}
        still = [item.id for item in before if places.get(item.id) == item.place]
        return await verify(
            self._pool,
            _on(collection, index),
            stored={one: vectors[one] for one in still if one in vectors},
            again=again,
            least_recall=self._settings.verified_recall,
        )

    async def _fill(self, run: Run, collection: Collection, index: IndexVersion, preparer: Preparer) -> None:
        """Fill in what there is; whoever writes later writes to both, so that nobody is chased who adds at the end."""
        after, last = index.filled_to or "", await self._items.last(collection)
        total, _ = await self._versions.count(collection, collection.index_version)
        done, _ = await self._versions.count(collection, index.version)
        while stored := await self._items.stored(collection, after=after, until=last, limit=_BATCH):
            started = time.perf_counter()
            after = stored[-1].id
            await self._fill_batch(collection, index, preparer, stored, filled_to=after)
            done += len(stored)
            await run.advance(min(done, total), total)
            await sleep((time.perf_counter() - started) * (1 / run.payload["share"] - 1))

    async def _fill_missing(self, collection: Collection, index: IndexVersion, preparer: Preparer) -> list[FailedItem]:
        """Try once more what is not in the index; returns what cannot be."""
        failures: list[FailedItem] = []
        after = ""
        while missing := await self._versions.missing(collection, index.version, after=after, limit=_BATCH):
            after = missing[-1]
            stored = await self._items.stored_of(collection, missing)
            failures += await self._fill_batch(collection, index, preparer, stored)
        return failures

    async def _fill_batch(
        self,
        collection: Collection,
        index: IndexVersion,
        preparer: Preparer,
        stored: Sequence[Item],
        *,
        filled_to: str | None = None,
    ) -> list[FailedItem]:
        prepared, unprepared = await preparer.prepare(await self._as_staged(collection, stored))
        items, failures = await self._embedder.embed(collection, [index], preparer, prepared)
        async with self._pool.acquire() as connection, connection.transaction():
            await self._items.hold(connection, collection)
            places = {item.id: item.ordinal for item in stored}
            changed = [replace(item, ordinal=places[item.id]) for _, item in items if index.version in item.parts]
            await self._items.fill(connection, collection, index.version, changed)
            if filled_to is not None:
                await self._versions.advance(connection, collection, index.version, filled_to)
        return [*(failed for _, failed in unprepared), *(failed for _, failed in failures)]

    async def _as_staged(self, collection: Collection, stored: Sequence[Item]) -> list[StagedItem]:
        """Stored items as if they came in again; given vectors are taken from the index that serves."""
        given: dict[str, list[float]] = {}
        if self._collections.plugin_of(collection).gives_vectors:
            vectors = await self._items.vectors(collection, [item.id for item in stored])
            given = {item_id: vector.tolist() for item_id, vector in vectors.items()}
        return [
            StagedItem(item.seq, ordinal, NewItem(item.id, item.payload, item.source, given.get(item.id)))
            for ordinal, item in enumerate(stored)
        ]

    async def _hand_over(self, run: Run, collection: Collection, index: IndexVersion) -> None:
        if _switches(run):
            await self._switch(run, collection, index)
        else:
            await self._holds.keep(collection, index.version, run.payload["holder"])

    async def _switch(self, run: Run, collection: Collection, index: IndexVersion) -> None:
        """Move the pointer, and wait until every process has seen it."""
        version = await self._served_then(run, collection, index)
        will_be = replace(_on(collection, index), encoder=index.encoder)
        await self._before_switch(replace(will_be, model_version=version or collection.model_version))
        await self._catalog.switch_index(
            collection, index_version=index.version, model_version=version, task_id=run.task_id
        )
        await self._be_seen()

    async def _be_seen(self) -> None:
        with suppress(asyncio.CancelledError):  # the switch is made: it is too late to cancel
            await sleep(self._seen_within)

    async def _served_then(self, run: Run, collection: Collection, index: IndexVersion) -> int | None:
        """What is to serve with the index; None: what serves by then."""
        asked: int | None = run.payload.get("model_version")
        source, serving = await self._target(collection, asked)
        if index.encoder and source != index.encoder:
            return BASE_MODEL_VERSION
        return serving if asked or serving != collection.model_version else None

    async def _target(self, collection: Collection, asked: int | None) -> tuple[EncoderSource | None, int]:
        """What is to make the vectors, and the version to serve with them.

        That is the version asked for, else the one that serves now, on the index that it goes with; the base version
        where the plugin names another encoder than the one that it was trained from.
        """
        version = asked or collection.model_version
        encoder = self._collections.plugin_of(collection).encoder
        plain = encoder.build() if encoder else None
        if version == BASE_MODEL_VERSION or plain is None:
            return plain, version
        model = await self._models.get(collection, version)
        if model.root or model.encoder:
            fits = (model.root or model.encoder) == plain.key
        else:  # of an older schema
            fits = collection.encoder in (None, plain)
        if not fits:
            return plain, BASE_MODEL_VERSION
        return await self._models.own_index(collection, version) or plain, version


def _switches(run: Run) -> bool:
    """Whether the index is to serve, and not only to be kept."""
    return bool(run.payload.get("switch", True))


def _on(collection: Collection, index: IndexVersion) -> Collection:
    """The collection as it will be with the index in the place of the one that serves."""
    return replace(
        collection, index_version=index.version, dimensions=index.dimensions, raised_ef_search=None, trusted_depth=None
    )
