"""An index that somebody holds stays and is kept in step, whatever serves."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from embedding_studio.kernel.ids import new_id
from embedding_studio.sdk import EncoderSource
from embedding_studio.vector_store import (
    Catalog,
    Collection,
    CollectionOptions,
    DeploymentMovedError,
    IndexHolds,
    IndexVersion,
)
from studio import Studio

pytestmark = pytest.mark.anyio

OLD, NEW, OTHER = (EncoderSource(name, "", "") for name in ("old", "new", "other"))


@pytest.fixture
async def texts(catalog: Catalog) -> AsyncIterator[Collection]:
    """A collection whose active index is of the encoder `OLD`."""
    name = f"texts-{new_id()}"
    yield await catalog.create(
        name=name, plugin="text", metric="cosine", dimensions=2, options=CollectionOptions(), encoder=OLD
    )
    await catalog.delete(name)


@pytest.fixture
def holds(studio: Studio) -> IndexHolds:
    return studio.container.holds


async def built(studio: Studio, collection: Collection, encoder: EncoderSource = NEW) -> IndexVersion:
    return await studio.container.versions.begin(
        collection, task_id=new_id(), model_version=2, encoder=encoder, dimensions=2
    )


async def switched(studio: Studio, collection: Collection) -> IndexVersion:
    index = await built(studio, collection)
    await studio.container.catalog.switch_index(
        collection, index_version=index.version, model_version=2, task_id=new_id()
    )
    return index


async def live(studio: Studio, collection: Collection) -> dict[int, str]:
    return {one.version: one.state for one in await studio.container.versions.live(collection)}


async def let_time_pass(studio: Studio, collection: Collection) -> None:
    await studio.container.pool.execute(
        "UPDATE index_versions SET retire_at = now() WHERE retire_at IS NOT NULL AND collection_id = $1", collection.id
    )
    await studio.container.versions.drop_due()


async def test_what_serves_with_a_version_is_the_active_index_of_its_encoder_or_one_that_is_kept(
    studio: Studio, catalog: Catalog, texts: Collection
) -> None:
    assert await catalog.serving(texts, 1, OLD) == texts
    assert await catalog.serving(texts, 2, NEW) is None
    index = await built(studio, texts)
    assert await catalog.serving(texts, 2, NEW) is None
    await catalog.switch_index(texts, index_version=index.version, model_version=2, task_id=new_id())
    new, old = await catalog.serving(texts, 2, NEW), await catalog.serving(texts, 7, OLD)
    assert new == await catalog.get(texts.name)
    assert old is not None
    assert (old.model_version, old.index_version, old.encoder) == (7, 1, OLD)
    assert await catalog.serving(texts, 2, OTHER) is None
    await let_time_pass(studio, texts)
    assert await catalog.serving(texts, 7, OLD) is None


async def test_given_vectors_are_those_of_the_active_index(catalog: Catalog, points: Collection) -> None:
    assert await catalog.serving(points, 1, None) == points


async def test_a_held_index_outlives_its_grace_time_until_nobody_holds_it(
    studio: Studio, holds: IndexHolds, texts: Collection
) -> None:
    for holder in ("experiment:1", "shadow:1", "shadow:1"):
        held = await holds.hold(texts, 1, OLD, holder)
        assert held == texts
    await switched(studio, texts)
    await let_time_pass(studio, texts)
    assert await live(studio, texts) == {1: "retired", 2: "active"}
    assert {"experiment:1"} <= set(await holds.holders("experiment"))
    await holds.release("experiment:1")
    await let_time_pass(studio, texts)
    assert await live(studio, texts) == {1: "retired", 2: "active"}
    await holds.release("shadow:1")
    await studio.container.versions.drop_due()
    assert await live(studio, texts) == {1: "retired", 2: "active"}, "it is kept for its grace time"
    await let_time_pass(studio, texts)
    assert await live(studio, texts) == {2: "active"}


async def test_an_index_is_kept_without_ever_having_served(
    studio: Studio, catalog: Catalog, holds: IndexHolds, texts: Collection
) -> None:
    index = await built(studio, texts)
    for _ in range(2):
        await holds.keep(texts, index.version, "experiment:2")
    await let_time_pass(studio, texts)
    assert await live(studio, texts) == {1: "active", 2: "retired"}
    assert (await catalog.get(texts.name)).index_version == 1
    kept = await catalog.serving(texts, 2, NEW)
    assert kept is not None
    assert kept.index_version == 2
    await holds.release("experiment:2")
    await let_time_pass(studio, texts)
    assert await live(studio, texts) == {1: "active"}


async def test_what_was_given_up_cannot_be_kept(studio: Studio, holds: IndexHolds, texts: Collection) -> None:
    index = await built(studio, texts)
    await studio.container.versions.fail(texts.id, index.version)
    with pytest.raises(DeploymentMovedError):
        await holds.keep(texts, index.version, "experiment:3")
    assert await holds.hold(texts, 2, NEW, "experiment:3") is None
    assert "experiment:3" not in await holds.holders("experiment")


async def test_what_serves_is_not_retired_when_it_is_released(
    studio: Studio, holds: IndexHolds, texts: Collection
) -> None:
    await holds.hold(texts, 1, OLD, "experiment:4")
    await holds.release("experiment:4")
    await let_time_pass(studio, texts)
    assert await live(studio, texts) == {1: "active"}


async def test_holds_go_with_their_collection(studio: Studio, catalog: Catalog) -> None:
    holds = IndexHolds(studio.container.pool, catalog, grace=timedelta(0))
    name = f"texts-{new_id()}"
    collection = await catalog.create(
        name=name, plugin="text", metric="cosine", dimensions=2, options=CollectionOptions(), encoder=OLD
    )
    await holds.hold(collection, 1, OLD, "experiment:5")
    await catalog.delete(name)
    assert "experiment:5" not in await holds.holders("experiment")
