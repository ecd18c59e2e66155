"""A few texts whose vectors are known, to notice an export that encodes otherwise."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from embedding_studio.kernel.errors import InvalidError

__all__ = ["CANARY_TEXTS", "compare", "verify", "write_canaries"]

CANARY_TEXTS = (
    "red leather sofa",
    "A film about two brothers who rob a bank, lose the money and find each other again.",
    " Ünïcode, UPPER case, 12,345.67 and \t odd   spaces ",
    "",
    "one sentence that goes on and on, " * 60,
)
TOLERANCE = 1e-5

Vectors = npt.NDArray[np.float32]


def write_canaries(model: SentenceTransformer, prompt: str, path: Path) -> None:
    """Write the canaries, without the prompt, and their vectors behind it as the torch model computes them."""
    texts = [prompt + text for text in CANARY_TEXTS]
    vectors = model.encode(texts, prompt="", show_progress_bar=False)
    content = {"texts": CANARY_TEXTS, "vectors": np.asarray(vectors, np.float32).tolist()}
    path.write_text(json.dumps(content), encoding="utf-8")


def verify(folder: Path, *, prompt: str, max_length: int) -> None:
    """Encode the canaries by the exported files, all in one batch and each alone.

    Raises:
        InvalidError: A number differs by more than 1e-5 from the torch model's.
    """
    expected = np.asarray(json.loads((folder / "canaries.json").read_text(encoding="utf-8"))["vectors"], np.float32)
    session = ort.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(max_length)
    tokenizer.enable_padding()
    texts = [prompt + text for text in CANARY_TEXTS]
    compare(np.concatenate([_by_onnx(session, tokenizer, [text]) for text in texts]), expected)
    compare(_by_onnx(session, tokenizer, texts), expected)


def _by_onnx(session: ort.InferenceSession, tokenizer: Tokenizer, texts: list[str]) -> Vectors:
    encodings = tokenizer.encode_batch(texts)
    ids, mask = ([getattr(e, name) for e in encodings] for name in ("ids", "attention_mask"))
    feed = {"input_ids": np.asarray(ids, np.int64), "attention_mask": np.asarray(mask, np.int64)}
    return np.asarray(session.run(["embedding"], feed)[0], np.float32)


def compare(vectors: Vectors, expected: Vectors) -> None:
    """Raise InvalidError if a number of a graph's vectors differs by more than 1e-5 from the torch model's."""
    difference = float(np.abs(vectors - expected).max())
    if not difference <= TOLERANCE:
        raise InvalidError(f"the exported graph differs from the model by {difference:.1e} on the canaries")
