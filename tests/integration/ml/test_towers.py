from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer

from embedding_studio.ml.towers import begin, write
from small_encoder import job, save_small_encoder, world


def attention(encoder: SentenceTransformer) -> str:
    inner: Any = encoder[0]
    return str(inner.model.config._attn_implementation)


def test_training_attends_with_a_fused_kernel_and_the_export_traces_a_plain_one(tmp_path: Path) -> None:
    model = save_small_encoder(tmp_path / "small")
    trained = begin(job(model), world(model))
    assert attention(trained) == "sdpa"
    (tmp_path / "model").mkdir()
    write(trained, job(model), tmp_path / "model")
    assert attention(trained) == "eager"
