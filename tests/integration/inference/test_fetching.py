"""Two machines without a common disk: one exports and trains, the other serves."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from embedding_studio.inference import BrokenModelError, EncoderNotReadyError, Encoders, Fetcher, InferenceSettings
from embedding_studio.inference.exporting import export_for_all
from embedding_studio.infra.objects import ObjectFolder
from embedding_studio.sdk import EncoderSource, SentenceEncoder
from small_encoder import save_small_encoder

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


class SharedFolder(ObjectFolder):
    """A folder that several machines see; it counts what is asked for."""

    is_shared = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fetched: list[str] = []
        self.stored: list[str] = []

    async def get_file(self, key: str, path: Path) -> None:
        self.fetched.append(key)
        await super().get_file(key, path)

    async def put_file(self, key: str, path: Path) -> None:
        self.stored.append(key)
        await super().put_file(key, path)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> EncoderSource:
    return SentenceEncoder(save_small_encoder(tmp_path_factory.mktemp("model"))).build()


@pytest.fixture
def objects(tmp_path: Path) -> SharedFolder:
    return SharedFolder(tmp_path / "objects")


def on_machine(folder: Path, objects: ObjectFolder) -> Encoders:
    return Encoders(InferenceSettings(encoders=folder), Fetcher(objects, folder))


async def test_what_one_has_exported_the_other_serves(
    source: EncoderSource, objects: SharedFolder, tmp_path: Path
) -> None:
    await export_for_all([source], tmp_path / "a", objects)
    a, b = on_machine(tmp_path / "a", objects), on_machine(tmp_path / "b", objects)
    assert b.missing([source]) == [source]
    vectors = await asyncio.gather(*(b.encode(source, ["a red sofa"], "item") for _ in range(5)))
    assert np.array_equal(vectors[0], await a.encode(source, ["a red sofa"], "item"))
    assert b.missing([source]) == []
    assert len(objects.fetched) == len(set(objects.fetched)) == len(list((tmp_path / "b" / source.key).iterdir()))


async def test_exported_once_for_all(source: EncoderSource, objects: SharedFolder, tmp_path: Path) -> None:
    await export_for_all([source], tmp_path / "a", objects)
    stored = list(objects.stored)
    await export_for_all([source], tmp_path / "b", objects)
    await export_for_all([source], tmp_path / "a", objects)
    assert objects.stored == stored
    for path in (tmp_path / "a" / source.key).iterdir():
        assert (tmp_path / "b" / source.key / path.name).read_bytes() == path.read_bytes()


async def test_one_machine_alone_keeps_no_second_copy(source: EncoderSource, tmp_path: Path) -> None:
    await export_for_all([source], tmp_path / "a", ObjectFolder(tmp_path / "objects"))
    assert not (tmp_path / "objects").exists()


async def test_before_it_is_exported_it_is_not_ready_and_then_it_is(
    source: EncoderSource, objects: SharedFolder, tmp_path: Path
) -> None:
    b = on_machine(tmp_path / "b", objects)
    await b.fetch([source])
    with pytest.raises(EncoderNotReadyError):
        await b.encode(source, ["x"], "query")
    await export_for_all([source], tmp_path / "a", objects)
    await b.fetch([source])
    assert b.missing([source]) == []


async def test_an_export_that_is_stored_by_halves_is_not_fetched(
    source: EncoderSource, objects: SharedFolder, tmp_path: Path
) -> None:
    await export_for_all([source], tmp_path / "a", objects)
    (described,) = (tmp_path / "objects").rglob("encoder.json")
    described.unlink()
    with pytest.raises(BrokenModelError):
        await on_machine(tmp_path / "b", objects).fetch([source])
    assert list((tmp_path / "b").iterdir()) == []


async def test_who_stops_waiting_stops_nothing(source: EncoderSource, objects: SharedFolder, tmp_path: Path) -> None:
    await export_for_all([source], tmp_path / "a", objects)
    fetcher = Fetcher(objects, tmp_path / "b")
    impatient = asyncio.create_task(fetcher.fetch(source))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await fetcher.fetch(source)
    assert objects.fetched.count(objects.fetched[0]) == 1
