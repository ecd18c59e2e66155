"""Collections come and go with their tables; a deployment is a pointer that moves."""

import asyncio

import pytest

from embedding_studio.kernel.ids import new_id
from embedding_studio.vector_store import (
    Catalog,
    Collection,
    CollectionExistsError,
    CollectionNotFoundError,
    CollectionOptions,
    DeploymentMovedError,
)
from studio import Studio

pytestmark = pytest.mark.anyio


async def tables_of(studio: Studio, collection: Collection) -> set[str]:
    rows = await studio.container.pool.fetch(
        "SELECT tablename FROM pg_tables WHERE tablename ~ $1", f"^(items_{collection.id}|parts_{collection.id}_.*)$"
    )
    return {row["tablename"] for row in rows}


async def deploy(catalog: Catalog, collection: Collection, version: int, leaving: int | None = None) -> Collection:
    await catalog.deploy(
        collection,
        model_version=version,
        leaving=collection.deployment_id if leaving is None else leaving,
        task_id=new_id(),
        note="",
    )
    return await catalog.get(collection.name)


async def test_a_collection_has_its_tables_and_takes_them_along(
    studio: Studio, catalog: Catalog, points: Collection
) -> None:
    assert await tables_of(studio, points) == {f"items_{points.id}", f"parts_{points.id}_1"}
    assert (points.model_version, points.index_version, points.options) == (1, 1, CollectionOptions(2))
    await catalog.delete(points.name)
    assert await tables_of(studio, points) == set()
    for table in ("index_versions", "deployments", "staged_items", "staged_tasks", "deletions"):
        left = await studio.container.pool.fetchval(f"SELECT count(*) FROM {table} WHERE collection_id = $1", points.id)
        assert left == 0
    with pytest.raises(CollectionNotFoundError):
        await catalog.get(points.name)
    with pytest.raises(CollectionNotFoundError):
        await catalog.delete(points.name)


async def test_of_many_who_make_the_same_collection_one_succeeds(studio: Studio, catalog: Catalog) -> None:
    name = f"race-{new_id()}"
    made = await asyncio.gather(
        *(
            catalog.create(name=name, plugin="vectors", metric="dot", dimensions=3, options=CollectionOptions(n + 1))
            for n in range(6)
        ),
        return_exceptions=True,
    )
    (winner,) = [one for one in made if isinstance(one, Collection)]
    assert [one for one in made if isinstance(one, BaseException) and not isinstance(one, CollectionExistsError)] == []
    assert await catalog.get(name) == winner
    await catalog.delete(name)
    assert await tables_of(studio, winner) == set()


async def test_collections_are_listed_by_name(catalog: Catalog, points: Collection) -> None:
    names = [f"{points.name}-{suffix}" for suffix in ("a", "b", "c")]
    for name in reversed(names):
        await catalog.create(name=name, plugin="vectors", metric="dot", dimensions=1, options=CollectionOptions())
    assert [one.name for one in await catalog.page(after=points.name, limit=2)] == names[:2]
    assert (await catalog.page(after=names[1], limit=1))[0].name == names[2]
    for name in names:
        await catalog.delete(name)


async def test_model_versions_are_never_given_twice(catalog: Catalog, points: Collection) -> None:
    versions = await asyncio.gather(*(catalog.next_model_version(points.id) for _ in range(8)))
    assert sorted(versions) == list(range(2, 10))
    with pytest.raises(CollectionNotFoundError):
        await catalog.next_model_version(2**60)


async def test_a_deployment_moves_the_pointer_and_a_rollback_moves_it_back(
    catalog: Catalog, points: Collection
) -> None:
    second = await deploy(catalog, points, 2)
    third = await deploy(catalog, second, 3)
    assert (second.model_version, third.model_version) == (2, 3)
    assert await catalog.version_before(third.deployment_id) == 2
    assert await catalog.roll_back(points.name, leaving=third.deployment_id) == second
    assert await catalog.roll_back(points.name, leaving=second.deployment_id) == points
    assert await catalog.version_before(points.deployment_id) is None
    assert await catalog.deployed_versions(points.id) == {1, 2, 3}


async def test_the_same_rollback_twice_moves_back_once(catalog: Catalog, points: Collection) -> None:
    second = await deploy(catalog, points, 2)
    third = await deploy(catalog, second, 3)
    for _ in range(3):
        assert await catalog.roll_back(points.name, leaving=third.deployment_id) == second


async def test_after_a_rollback_a_deployment_goes_back_to_where_it_came_from(
    catalog: Catalog, points: Collection
) -> None:
    second = await deploy(catalog, points, 2)
    await catalog.roll_back(points.name, leaving=second.deployment_id)
    third = await deploy(catalog, points, 3)
    assert await catalog.roll_back(points.name, leaving=third.deployment_id) == points


async def test_the_first_deployment_cannot_be_left(catalog: Catalog, points: Collection) -> None:
    with pytest.raises(DeploymentMovedError):
        await catalog.roll_back(points.name, leaving=points.deployment_id)
    assert await catalog.get(points.name) == points


async def test_who_looked_before_another_deployed_is_told_so(catalog: Catalog, points: Collection) -> None:
    second = await deploy(catalog, points, 2)
    with pytest.raises(DeploymentMovedError):
        await deploy(catalog, points, 3)
    third = await deploy(catalog, second, 3)
    with pytest.raises(DeploymentMovedError):
        await catalog.roll_back(points.name, leaving=points.deployment_id)
    fourth = await deploy(catalog, third, 4)
    with pytest.raises(DeploymentMovedError):
        await catalog.roll_back(points.name, leaving=second.deployment_id)
    assert await catalog.get(points.name) == fourth


async def test_of_many_who_deploy_at_once_one_succeeds(catalog: Catalog, points: Collection) -> None:
    answers = await asyncio.gather(*(deploy(catalog, points, n) for n in range(2, 8)), return_exceptions=True)
    assert len([one for one in answers if isinstance(one, Collection)]) == 1
    assert len([one for one in answers if isinstance(one, DeploymentMovedError)]) == 5


async def test_the_same_task_is_one_deployment(studio: Studio, catalog: Catalog, points: Collection) -> None:
    task_id = new_id()
    for _ in range(3):
        await catalog.deploy(points, model_version=2, leaving=points.deployment_id, task_id=task_id, note="n")
    deployed = await catalog.get(points.name)
    assert deployed.model_version == 2
    assert await catalog.roll_back(points.name, leaving=deployed.deployment_id) == points
    count = await studio.container.pool.fetchval("SELECT count(*) FROM deployments WHERE collection_id = $1", points.id)
    assert count == 2


async def test_a_collection_of_the_same_name_is_another(catalog: Catalog, points: Collection) -> None:
    await catalog.delete(points.name)
    again = await catalog.create(
        name=points.name, plugin="vectors", metric="cosine", dimensions=2, options=CollectionOptions()
    )
    with pytest.raises(DeploymentMovedError):
        await deploy(catalog, points, 2)
    assert await catalog.get(points.name) == again
