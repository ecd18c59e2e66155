"""The files of an export, each read with suspicion.

Raises:
    UnavailableError: A file is not there (yet).
    InvalidError: A file is not the one that was described, or holds something else.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from tokenizers import Tokenizer

from embedding_studio.kernel.encoder import CrossEncoderDescription, EncoderDescription
from embedding_studio.kernel.errors import InvalidError, StudioError, UnavailableError

__all__ = [
    "check_hash",
    "compare",
    "open_session",
    "open_tokenizer",
    "read_canaries",
    "read_description",
    "suspecting",
    "unreadable",
]

CANARY_TOLERANCE = 1e-3

_LARGEST_JSON = 64_000_000
_LARGEST_GRAPH = 2**31  # what a protobuf may have
_RANGES = {"dimensions": 16_000, "max_length": 1_000_000, "image_size": 4_096}
_NO_FOLDER = "/dev/null"

D = TypeVar("D", EncoderDescription, CrossEncoderDescription)
C = TypeVar("C")


@contextmanager
def suspecting(what: Path) -> Iterator[None]:
    """Turn whatever a library raises over a file into an InvalidError that names it; our own errors pass."""
    try:
        yield
    except StudioError:
        raise
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":  # of Rust code, no Exception
            name = f"{what.parent.name}/{what.name}"
            raise InvalidError(f"{name} cannot be used: {type(error).__name__}: {str(error)[:300]}") from error
        raise


def read_description(folder: Path, kind: type[D]) -> D:
    """What `encoder.json` says."""
    path = folder / "encoder.json"
    with suspecting(path):
        content = msgspec.json.decode(_read(path, _LARGEST_JSON))
        try:
            description = kind(**content)
            msgspec.convert(asdict(description), kind)
        except (TypeError, msgspec.ValidationError) as error:
            raise InvalidError(f"{folder.name}/encoder.json describes no encoder of this kind: {error}") from error
    for name, largest in _RANGES.items():
        value = getattr(description, name, None)
        if value is not None and not 1 <= value <= largest:
            raise InvalidError(f"{folder.name}/encoder.json: {name} must be 1 to {largest}, not {value}")
    return description


def read_canaries(folder: Path, shape: Callable[[Any], C]) -> C:
    """What `canaries.json` holds, as `shape` makes it of the JSON."""
    path = folder / "canaries.json"
    with suspecting(path):
        return shape(msgspec.json.decode(_read(path, _LARGEST_JSON)))


def open_tokenizer(folder: Path, description: EncoderDescription | CrossEncoderDescription) -> Tokenizer:
    """The tokenizer, which cuts texts where the model does and pads nothing."""
    path = folder / "tokenizer.json"
    with suspecting(path):
        tokenizer = Tokenizer.from_buffer(_read(path, _LARGEST_JSON, description.tokenizer_sha256))
        tokenizer.no_padding()
        tokenizer.enable_truncation(description.max_length)
        tokenizer.encode("a text")
        return tokenizer


def open_session(graph: Path, sha256: str, *, threads: int, spinning: bool = False) -> ort.InferenceSession:
    """A session of the graph that uses so many cores; `spinning` as in the settings.

    All of the graph is in the file that was hashed: weights in other files are refused, wherever those are.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NO_FOLDER)
    with suspecting(graph):
        return ort.InferenceSession(_read(graph, _LARGEST_GRAPH, sha256), options, providers=["CPUExecutionProvider"])


def compare(found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32], source: str) -> None:
    """Raise InvalidError if a number of the canaries differs by more than 1e-3 from the export's."""
    difference = np.abs(found - expected).max() if found.shape == expected.shape else np.inf
    if not difference <= CANARY_TOLERANCE:
        raise InvalidError(f"{source}: canaries differ by {difference:.1e} from the export's")


def unreadable(path: Path, error: OSError) -> UnavailableError:
    """The error that says which file cannot be read and why."""
    return UnavailableError(f"{path.parent.name}/{path.name} cannot be read: {error.strerror}")


def check_hash(path: Path, sha256: str) -> None:
    """Raise if the file is not the one that was described."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error
    if found != sha256:
        raise _replaced(path)


def _read(path: Path, largest: int, sha256: str | None = None) -> bytes:
    """The file's bytes, the very ones whose hash was looked at."""
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(data) > largest:
        raise InvalidError(f"{path.parent.name}/{path.name} has more than {largest:,} bytes")
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise _replaced(path)
    return data


def _replaced(path: Path) -> InvalidError:
    return InvalidError(f"{path.parent.name}/{path.name} is not the file that encoder.json describes")
