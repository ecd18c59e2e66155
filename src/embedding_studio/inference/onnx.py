"""Texts and images to vectors in process: tokenizers and ONNX Runtime, no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from safetensors.numpy import load_file

from embedding_studio.inference.exported import compare, open_session, read_canaries, suspecting, unreadable
from embedding_studio.inference.texts import TextReader, Tokens
from embedding_studio.inference.tokens import batches, masks, padded
from embedding_studio.kernel.encoder import EncoderDescription, TextKind
from embedding_studio.kernel.errors import InvalidError

__all__ = ["OnnxEncoder", "text_canaries"]

IMAGES_PER_BATCH = 8

Vectors = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


class OnnxEncoder:
    """An exported encoder, ready to serve.

    Many threads may encode at once: the sessions and the tokenizer keep no state between calls.

    Attributes:
        texts: Makes tokens of texts.
        description: What the vectors are comparable with.
    """

    def __init__(
        self, texts: TextReader, session: ort.InferenceSession, image_session: ort.InferenceSession | None = None
    ) -> None:
        self.texts = texts
        self.description = texts.description
        self._session = session
        self._image_session = image_session

    @classmethod
    def load(cls, folder: Path, *, threads: int, spinning: bool = False) -> "OnnxEncoder":
        """Load the export in `folder` and encode its canaries.

        Args:
            folder: What `ml.export.export_encoder` or `ml.clip.export_clip` wrote.
            threads: Cores that one call may use.
            spinning: Whether they wait by spinning, which is faster where nothing else wants them.

        Raises:
            UnavailableError: A file is not there (yet).
            InvalidError: A file is not the one that was described, or the canaries come out otherwise.
        """
        texts = TextReader.load(folder)
        description = texts.description
        session = open_session(folder / "model.onnx", description.graph_sha256, threads=threads, spinning=spinning)
        encoder = cls(texts, session, _image_session(folder, description, threads))
        canaries = read_canaries(folder, text_canaries)
        with suspecting(folder / "model.onnx"):
            encoder.check(*canaries)
        if description.image_graph_sha256:
            image_canaries = _read_image_canaries(folder)
            with suspecting(folder / "image.onnx"):
                encoder.check_images(*image_canaries)
        return encoder

    def encode(self, texts: Sequence[str], kind: TextKind) -> Vectors:
        """Embed texts, each behind the prompt of its kind.

        A text longer than `description.max_length` tokens is cut. A text's vector does not depend on its neighbours
        beyond 1e-6.

        Returns:
            float32 (texts, dimensions) in the order of `texts`.
        """
        return self.encode_tokens(self.texts.read(texts, kind))

    def encode_tokens(self, tokens: Sequence[Tokens]) -> Vectors:
        """Embed texts that were read already.

        Returns:
            float32 (texts, dimensions) in the order of `tokens`.
        """
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

    def _run(self, tokens: Sequence[Tokens]) -> Vectors:
        (vectors,) = self._session.run(["embedding"], {"input_ids": padded(tokens), "attention_mask": masks(tokens)})
        return np.asarray(vectors, np.float32)

    def check(self, texts: Sequence[str], expected: Vectors) -> None:
        """Compare the vectors of canaries, encoded as items, with those that were written at the export.

        Raises:
            InvalidError: A number differs by more than 1e-3.
        """
        compare(self.encode(texts, "item"), expected, self.description.source)

    def check_images(self, images: Sequence[Pixels], expected: Vectors) -> None:
        """Compare the vectors of image canaries, as `check` does."""
        compare(self.encode_images(images), expected, self.description.source)


def _image_session(folder: Path, description: EncoderDescription, threads: int) -> ort.InferenceSession | None:
    if description.image_graph_sha256 is None:
        return None
    return open_session(folder / "image.onnx", description.image_graph_sha256, threads=threads)


def text_canaries(content: Any) -> tuple[list[str], Vectors]:
    """Texts of items, and their vectors, as `canaries.json` holds them."""
    return msgspec.convert(content["texts"], list[str]), np.asarray(content["vectors"], np.float32)


def _read_image_canaries(folder: Path) -> tuple[list[Pixels], Vectors]:
    path = folder / "image_canaries.safetensors"
    with suspecting(path):
        try:
            canaries = load_file(path)
        except OSError as error:
            raise unreadable(path, error) from error
        return list(canaries["images"]), canaries["vectors"]
