from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from embedding_studio.bench.learning import vectors
from embedding_studio.bench.learning.stage import Stage
from embedding_studio.simulation.judged import JudgedSet


class Counting:
    """An encoder that counts the texts that it was given."""

    def __init__(self) -> None:
        self.encoded: list[tuple[str, str]] = []

    def encode(self, texts: Sequence[str], kind: str) -> np.ndarray:
        self.encoded += [(text, kind) for text in texts]
        return np.array([[len(text), 1] for text in texts], np.float32)


def test_vectors_are_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Counting()
    monkeypatch.setattr(vectors, "_encoder", lambda _source, _folder: encoder)
    items = [{"id": "a", "payload": {"title": "sofa", "text": "soft"}}, {"id": "b", "payload": {"price": 3}}]
    judged = JudgedSet("small", items, {"1": "couch"}, {"1": {"a": 1.0}})
    stage = Stage(tmp_path, tmp_path, lambda _text: None)
    first, second = (vectors.vectors_of(stage, judged) for _ in range(2))
    assert encoder.encoded == [("couch", "query"), ("sofa\nsoft", "item"), ("", "item")]
    assert np.array_equal(first.items, second.items)
    assert first.queries.tolist() == [[5, 1]]
    vectors.vectors_of(stage, JudgedSet("small", items, {"1": "settee"}, {"1": {"a": 1.0}}))
    assert ("settee", "query") in encoder.encoded
