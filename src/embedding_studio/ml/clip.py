"""From a CLIP model to the folder that `inference` serves."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize
from transformers import CLIPModel

from embedding_studio.kernel.encoder import EncoderDescription
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.ml.canaries import compare, verify, write_canaries
from embedding_studio.ml.folders import publish, sha256
from embedding_studio.ml.graph import write_graph, write_image_graph
from embedding_studio.ml.sources import load_model
from embedding_studio.ml.texts import dimensions, max_length, write_tokenizer

__all__ = ["export_clip"]

Pixels = npt.NDArray[np.uint8]


def export_clip(source: str, folder: Path) -> EncoderDescription:
    """Write what `export_encoder` writes, and `image.onnx` and `image_canaries.safetensors`, into `folder`.

    Both graphs end in vectors of norm 1 in the same space. The folder appears whole, and only once ONNX Runtime gives
    the torch model's vectors within 1e-5 for texts and for images.

    Args:
        source: As `sources.locate` reads it.
        folder: Does not exist yet, or holds an earlier export.

    Raises:
        UnavailableError: The model cannot be loaded.
        InvalidError: The model is no CLIP, or its export computes other vectors.
        ConflictError: The folder holds another encoder.
    """
    wanted = {"source": source, "query_prompt": "", "item_prompt": ""}
    return publish(folder, EncoderDescription, wanted, lambda draft: _write(_load(source), source, draft))


def _load(source: str) -> SentenceTransformer:
    model = load_model(source)
    if not isinstance(getattr(next(model.children(), None), "model", None), CLIPModel):
        raise InvalidError(f"{source} is no CLIP")
    model.append(Normalize())
    return model


def _write(model: SentenceTransformer, source: str, folder: Path) -> None:
    write_tokenizer(model.tokenizer, folder / "tokenizer.json")
    write_graph(model, folder / "model.onnx")
    size, mean, deviation = _image_side(model)
    write_image_graph(model, folder / "image.onnx", size=size, mean=mean, deviation=deviation)
    description = _describe(model, source, size, folder)
    write_canaries(model, "", folder / "canaries.json")
    verify(folder, prompt="", max_length=description.max_length)
    _write_image_canaries(model, _canaries(size), folder)
    description.write(folder / "encoder.json")


def _image_side(model: SentenceTransformer) -> tuple[int, list[float], list[float]]:
    """Side of an image in pixels, mean and standard deviation of its channels."""
    clip: Any = model[0]
    images = clip.processor.image_processor
    return clip.model.config.vision_config.image_size, images.image_mean, images.image_std


def _describe(model: SentenceTransformer, source: str, size: int, folder: Path) -> EncoderDescription:
    return EncoderDescription(
        source=source,
        query_prompt="",
        item_prompt="",
        pooling="eos",
        max_length=max_length(model),
        normalize=True,
        dimensions=dimensions(model),
        tokenizer_sha256=sha256(folder / "tokenizer.json"),
        graph_sha256=sha256(folder / "model.onnx"),
        image_size=size,
        image_graph_sha256=sha256(folder / "image.onnx"),
    )


def _canaries(size: int) -> Pixels:
    """Black, white, a slope of each colour and noise."""
    slope = np.linspace(0, 255, size, dtype=np.uint8)
    slopes = np.stack([*np.meshgrid(slope, slope), np.full((size, size), 99, np.uint8)], axis=-1)
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    return np.stack([np.zeros_like(noise), np.full_like(noise, 255), slopes, noise])


def _write_image_canaries(model: SentenceTransformer, images: Pixels, folder: Path) -> None:
    """Write the canaries with the torch model's vectors, and compare the graph with them."""
    encoded = model.encode([Image.fromarray(image) for image in images], show_progress_bar=False)
    vectors = np.asarray(encoded, np.float32)
    save_file({"images": images, "vectors": vectors}, folder / "image_canaries.safetensors")
    session = ort.InferenceSession(folder / "image.onnx", providers=["CPUExecutionProvider"])
    compare(np.asarray(session.run(["embedding"], {"pixels": images})[0], np.float32), vectors)
    alone = [session.run(["embedding"], {"pixels": image[None]})[0] for image in images]
    compare(np.concatenate(alone), vectors)
