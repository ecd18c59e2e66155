"""A few texts whose vectors are known, to notice an export that encodes otherwise."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from embedding_studio.kernel.errors import InvalidError

__all__ = ["CANARY_TEXTS", "compare", "rewrite", "verify", "write_canaries"]

CANARY_TEXTS = (
    "red leather sofa",
    "A film about two brothers who rob a bank, lose the money and find each other again.",
    " Ünïcode, UPPER case, 12,345.67 and \t odd   spaces ",
    "",
    "one sentence that goes on and on, " * 60,
)
TOLERANCE = 1e-5
_SERVED_TOLERANCE = 1e-3

Vectors = npt.NDArray[np.float32]


def write_canaries(model: SentenceTransformer, prompt: str, path: Path) -> None:
    """Write the canaries, without the prompt, and their vectors behind it as the torch model computes them."""
    texts = [prompt + text for text in CANARY_TEXTS]
    _write(np.asarray(model.encode(texts, prompt="", show_progress_bar=False), np.float32), path)


def rewrite(folder: Path, *, prompt: str, max_length: int) -> None:
    """Write the canaries' vectors anew, as the graph in the folder computes them.

    Raises:
        InvalidError: In a batch a number differs by more than 1e-3: whoever compared them in another could not tell.
    """
    alone, together = _encoded(folder, prompt, max_length)
    compare(together, alone, tolerance=_SERVED_TOLERANCE)
    _write(alone, folder / "canaries.json")


def verify(folder: Path, *, prompt: str, max_length: int) -> None:
    """Encode the canaries by the exported files, all in one batch and each alone.

    Raises:
        InvalidError: A number differs by more than 1e-5 from the torch model's.
    """
    expected = np.asarray(json.loads((folder / "canaries.json").read_text(encoding="utf-8"))["vectors"], np.float32)
    for vectors in _encoded(folder, prompt, max_length):
        compare(vectors, expected)


def _write(vectors: Vectors, path: Path) -> None:
    path.write_text(json.dumps({"texts": CANARY_TEXTS, "vectors": vectors.tolist()}), encoding="utf-8")


def _encoded(folder: Path, prompt: str, max_length: int) -> tuple[Vectors, Vectors]:
    """The canaries' vectors by the exported files: each text alone, and all in one batch."""
    session = ort.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(max_length)
    tokenizer.enable_padding()
    texts = [prompt + text for text in CANARY_TEXTS]
    alone = np.concatenate([_by_onnx(session, tokenizer, [text]) for text in texts])
    return alone, _by_onnx(session, tokenizer, texts)


def _by_onnx(session: ort.InferenceSession, tokenizer: Tokenizer, texts: list[str]) -> Vectors:
    encodings = tokenizer.encode_batch(texts)
    ids, mask = ([getattr(e, name) for e in encodings] for name in ("ids", "attention_mask"))
    feed = {"input_ids": np.asarray(ids, np.int64), "attention_mask": np.asarray(mask, np.int64)}
    return np.asarray(session.run(["embedding"], feed)[0], np.float32)


def compare(vectors: Vectors, expected: Vectors, *, tolerance: float = TOLERANCE) -> None:
    """Raise InvalidError if a number of a graph's vectors differs by more than so much from what it should be."""
    difference = float(np.abs(vectors - expected).max())
    if not difference <= tolerance:
        raise InvalidError(f"the exported graph differs from the model by {difference:.1e} on the canaries")
