"""Which Tritons keep a model; the servers are made up, and so are their faults."""

from pathlib import Path

import pytest

from embedding_studio.inference.settings import TritonSettings
from embedding_studio.inference.triton import TritonModels
from embedding_studio.inference.triton_folders import TritonFolders
from embedding_studio.infra.triton import TritonClient
from embedding_studio.infra.tritons import Tritons
from embedding_studio.kernel.errors import InvalidError

pytestmark = pytest.mark.anyio


class Made(TritonClient):
    """A server that computes what it should, or not."""

    def __init__(self, *, is_wrong: bool) -> None:
        super().__init__([], answer_within=1, load_within=1)
        self.is_wrong = is_wrong
        self.models: set[str] = set()

    async def is_ready(self, model: str) -> bool:
        return model in self.models

    async def load(self, model: str) -> None:
        self.models.add(model)

    async def unload(self, model: str) -> None:
        self.models.discard(model)


def nobody(address: str, _name: str) -> TritonClient:
    raise AssertionError(address)


@pytest.fixture
def _faults(monkeypatch: pytest.MonkeyPatch) -> None:
    async def write(*_: object) -> bool:
        return False

    async def check(_models: TritonModels, server: Made, _key: str) -> None:
        if server.is_wrong:
            raise InvalidError("its vectors are others")

    monkeypatch.setattr(TritonFolders, "write", write)
    monkeypatch.setattr(TritonModels, "_check", check)


@pytest.mark.usefixtures("_faults")
@pytest.mark.parametrize("others", [1, 0])
async def test_a_triton_that_computes_something_else_takes_the_model_from_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "config.pbtxt").touch()
    tritons = Tritons("10.0.0.1:1", nobody, patience=0)
    right, wrong = [Made(is_wrong=False) for _ in range(others)], Made(is_wrong=True)
    monkeypatch.setattr(tritons, "_servers", dict(enumerate([*right, wrong])))
    models = TritonModels(tritons, TritonSettings(manages=True, repository=tmp_path), tmp_path)
    with pytest.raises(InvalidError, match="others"):
        await models.make_ready("one")
    assert not await wrong.is_ready("one")
    assert [await one.is_ready("one") for one in right] == [True] * others
    assert await models.keys() == ({"one"} if others else set())
