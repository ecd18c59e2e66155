"""Queries with texts to scores in process: a cross-encoder reads both at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from tokenizers import Encoding, Tokenizer

from embedding_studio.inference.exported import (
    compare,
    open_session,
    open_tokenizer,
    read_canaries,
    read_description,
    suspecting,
)
from embedding_studio.inference.tokens import batches, padded
from embedding_studio.kernel.encoder import CrossEncoderDescription

__all__ = ["OnnxCrossEncoder", "Pair"]

Pair = tuple[str, str]
"""A query and a text."""

Scores = npt.NDArray[np.float32]


class OnnxCrossEncoder:
    """An exported cross-encoder, ready to serve; many threads may score at once."""

    def __init__(
        self, description: CrossEncoderDescription, tokenizer: Tokenizer, session: ort.InferenceSession
    ) -> None:
        self.description = description
        self._tokenizer = tokenizer
        self._session = session
        self._inputs = {node.name for node in session.get_inputs()}

    @classmethod
    def load(cls, folder: Path, *, threads: int) -> "OnnxCrossEncoder":
        """Load the export in `folder` and score its canaries.

        Args:
            folder: What `ml.cross.export_cross_encoder` wrote.
            threads: Cores that one call may use.

        Raises:
            UnavailableError: A file is not there (yet).
            InvalidError: A file is not the one that was described, or the canaries come out otherwise.
        """
        description = read_description(folder, CrossEncoderDescription)
        tokenizer = open_tokenizer(folder, description)
        session = open_session(folder / "model.onnx", description.graph_sha256, threads=threads)
        pairs, scores = read_canaries(folder, _canaries)
        encoder = cls(description, tokenizer, session)
        with suspecting(folder / "model.onnx"):
            compare(encoder.score(pairs), scores, description.source)
        return encoder

    def score(self, pairs: Sequence[Pair]) -> Scores:
        """How well each text answers its query, float32 (pairs,) in 0..1.

        Of a pair longer than `description.max_length` tokens the longer member is cut first. A pair's score does not
        depend on its neighbours beyond 1e-6.
        """
        encodings = self._tokenizer.encode_batch_fast(list(pairs))
        scores = np.empty(len(encodings), np.float32)
        for rows in batches([len(encoding.ids) for encoding in encodings]):
            scores[rows] = self._run([encodings[row] for row in rows])
        return scores

    def _run(self, encodings: Sequence[Encoding]) -> Scores:
        inputs = {
            "input_ids": padded([encoding.ids for encoding in encodings]),
            "attention_mask": padded([encoding.attention_mask for encoding in encodings]),
            "token_type_ids": padded([encoding.type_ids for encoding in encodings]),
        }
        taken = {name: array for name, array in inputs.items() if name in self._inputs}
        return np.asarray(self._session.run(["score"], taken)[0], np.float32)


def _canaries(content: Any) -> tuple[list[Pair], Scores]:
    return msgspec.convert(content["pairs"], list[tuple[str, str]]), np.asarray(content["scores"], np.float32)
