"""Texts and images to vectors in process: tokenizers and ONNX Runtime, no torch."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from safetensors import SafetensorError
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from embedding_studio.kernel.encoder import EncoderDescription, TextKind
from embedding_studio.kernel.errors import InvalidError, UnavailableError

__all__ = ["OnnxEncoder", "batches"]

TOKENS_PER_BATCH = 1_024
TEXTS_PER_BATCH = 32
IMAGES_PER_BATCH = 8
CANARY_TOLERANCE = 1e-3

Vectors = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


class OnnxEncoder:
    """An exported encoder, ready to serve.

    Many threads may encode at once: the sessions and the tokenizer keep no state between calls.

    Attributes:
        description: What the vectors are comparable with.
        tokenizer: Cuts texts at `description.max_length`; not to be changed.
    """

    def __init__(
        self,
        description: EncoderDescription,
        tokenizer: Tokenizer,
        session: ort.InferenceSession,
        image_session: ort.InferenceSession | None = None,
    ) -> None:
        self.description = description
        self.tokenizer = tokenizer
        self._session = session
        self._image_session = image_session

    @classmethod
    def load(cls, folder: Path, *, threads: int) -> "OnnxEncoder":
        """Load the export in `folder` and encode its canaries.

        Args:
            folder: What `ml.export.export_encoder` or `ml.clip.export_clip` wrote.
            threads: Cores that one call may use.

        Raises:
            UnavailableError: A file is not there (yet).
            InvalidError: A file is not the one that was described, or the canaries come out otherwise.
        """
        description = _read_description(folder)
        _check_hash(folder / "tokenizer.json", description.tokenizer_sha256)
        _check_hash(folder / "model.onnx", description.graph_sha256)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(description.max_length)
        image_session = _image_session(folder, description, threads)
        encoder = cls(description, tokenizer, _session(folder / "model.onnx", threads), image_session)
        encoder.check(*_read_canaries(folder))
        if image_session:
            encoder.check_images(*_read_image_canaries(folder))
        return encoder

    def encode(self, texts: Sequence[str], kind: TextKind) -> Vectors:
        """Embed texts, each behind the prompt of its kind.

        A text longer than `description.max_length` tokens is cut. A text's vector does not depend on its neighbours
        beyond 1e-6.

        Returns:
            float32 (texts, dimensions) in the order of `texts`.
        """
        prompt = self.description.prompt(kind)
        tokens = [e.ids for e in self.tokenizer.encode_batch_fast([prompt + text for text in texts])]
        vectors = np.empty((len(tokens), self.description.dimensions), np.float32)
        for rows in batches([len(ids) for ids in tokens]):
            vectors[rows] = self._run([tokens[row] for row in rows])
        return vectors

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        """Embed images, each uint8 RGB (image_size, image_size, 3).

        Returns:
            float32 (images, dimensions) in the order of `images`, in the space of the texts.

        Raises:
            InvalidError: The encoder takes no images, or an image is of another size.
        """
        if self._image_session is None:
            raise InvalidError(f"the encoder {self.description.source} takes no images")
        self._check_sizes(images)
        vectors = np.empty((len(images), self.description.dimensions), np.float32)
        for start in range(0, len(images), IMAGES_PER_BATCH):
            pixels = np.stack(images[start : start + IMAGES_PER_BATCH])
            (vectors[start : start + IMAGES_PER_BATCH],) = self._image_session.run(["embedding"], {"pixels": pixels})
        return vectors

    def _check_sizes(self, images: Sequence[Pixels]) -> None:
        size = self.description.image_size
        for image in images:
            if image.shape != (size, size, 3) or image.dtype != np.uint8:
                raise InvalidError(
                    f"the encoder takes images of {size} x {size} x 3 bytes, not {image.shape} {image.dtype}"
                )

    def _run(self, tokens: list[list[int]]) -> Vectors:
        input_ids = np.zeros((len(tokens), max(1, *map(len, tokens))), np.int64)
        attention_mask = np.zeros_like(input_ids)
        for row, ids in enumerate(tokens):
            input_ids[row, : len(ids)] = ids
            attention_mask[row, : len(ids)] = 1
        (vectors,) = self._session.run(["embedding"], {"input_ids": input_ids, "attention_mask": attention_mask})
        return np.asarray(vectors, np.float32)

    def check(self, texts: Sequence[str], expected: Vectors) -> None:
        """Compare the vectors of canaries, encoded as items, with those that were written at the export.

        Raises:
            InvalidError: A number differs by more than 1e-3.
        """
        self._compare(self.encode(texts, "item"), expected)

    def check_images(self, images: Sequence[Pixels], expected: Vectors) -> None:
        """Compare the vectors of image canaries, as `check` does."""
        self._compare(self.encode_images(images), expected)

    def _compare(self, vectors: Vectors, expected: Vectors) -> None:
        difference = np.abs(vectors - expected).max() if vectors.shape == expected.shape else np.inf
        if not difference <= CANARY_TOLERANCE:
            raise InvalidError(f"{self.description.source}: canaries differ by {difference:.1e} from the export's")


def batches(lengths: Sequence[int]) -> Iterator[npt.NDArray[np.int64]]:
    """Group texts of like length, longest first, so that little is padded.

    Args:
        lengths: Tokens of each text.

    Yields:
        Positions in `lengths`; every position once. A batch of more than one text holds at most `TEXTS_PER_BATCH` of
        them and, padded to its longest, at most `TOKENS_PER_BATCH` tokens.
    """
    order = np.argsort(-np.asarray(lengths, np.int64), kind="stable")
    start = 0
    while start < len(order):
        size = min(TEXTS_PER_BATCH, TOKENS_PER_BATCH // max(1, lengths[order[start]]))
        yield order[start : start + max(1, size)]
        start += max(1, size)


def _session(graph: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait by spinning would take the cores from PostgreSQL between two searches.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _image_session(folder: Path, description: EncoderDescription, threads: int) -> ort.InferenceSession | None:
    if description.image_graph_sha256 is None:
        return None
    _check_hash(folder / "image.onnx", description.image_graph_sha256)
    return _session(folder / "image.onnx", threads)


def _read_description(folder: Path) -> EncoderDescription:
    path = folder / "encoder.json"
    try:
        return EncoderDescription.read(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (TypeError, ValueError) as error:
        raise InvalidError(f"{folder.name}/encoder.json describes no encoder: {error}") from error


def _read_canaries(folder: Path) -> tuple[list[str], Vectors]:
    path = folder / "canaries.json"
    try:
        canaries = json.loads(path.read_text(encoding="utf-8"))
        return canaries["texts"], np.asarray(canaries["vectors"], np.float32)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidError(f"{folder.name}/canaries.json holds no canaries: {error}") from error


def _read_image_canaries(folder: Path) -> tuple[list[Pixels], Vectors]:
    path = folder / "image_canaries.safetensors"
    try:
        canaries = load_file(path)
        return list(canaries["images"]), canaries["vectors"]
    except OSError as error:
        raise _unreadable(path, error) from error
    except (KeyError, SafetensorError) as error:
        raise InvalidError(f"{folder.name}/{path.name} holds no canaries: {error}") from error


def _check_hash(path: Path, sha256: str) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error
    if found != sha256:
        raise InvalidError(f"{path.parent.name}/{path.name} is not the file that encoder.json describes")


def _unreadable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(f"{path.parent.name}/{path.name} cannot be read: {error.strerror}")
