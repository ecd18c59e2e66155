"""The files of an export, each read with suspicion.

Raises:
    UnavailableError: A file is not there (yet).
    InvalidError: A file is not the one that was described, or holds something else.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from tokenizers import Tokenizer

from embedding_studio.kernel.encoder import CrossEncoderDescription, EncoderDescription
from embedding_studio.kernel.errors import InvalidError, UnavailableError

__all__ = ["check_hash", "compare", "open_session", "open_tokenizer", "read_canaries", "read_description", "unreadable"]

CANARY_TOLERANCE = 1e-3

D = TypeVar("D", EncoderDescription, CrossEncoderDescription)
C = TypeVar("C")


def read_description(folder: Path, kind: type[D]) -> D:
    """What `encoder.json` says."""
    path = folder / "encoder.json"
    try:
        return kind.read(path)
    except OSError as error:
        raise unreadable(path, error) from error
    except (TypeError, ValueError) as error:
        raise InvalidError(f"{folder.name}/encoder.json describes no encoder of this kind: {error}") from error


def read_canaries(folder: Path, shape: Callable[[Any], C]) -> C:
    """What `canaries.json` holds, as `shape` makes it of the JSON."""
    path = folder / "canaries.json"
    try:
        return shape(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise unreadable(path, error) from error
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidError(f"{folder.name}/canaries.json holds no canaries: {error}") from error


def open_tokenizer(folder: Path, description: EncoderDescription | CrossEncoderDescription) -> Tokenizer:
    """The tokenizer, which cuts texts where the model does and pads nothing."""
    path = folder / "tokenizer.json"
    check_hash(path, description.tokenizer_sha256)
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(description.max_length)
    return tokenizer


def open_session(graph: Path, sha256: str, *, threads: int, spinning: bool = False) -> ort.InferenceSession:
    """A session of the graph that uses so many cores; `spinning` as in the settings."""
    check_hash(graph, sha256)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


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
        raise InvalidError(f"{path.parent.name}/{path.name} is not the file that encoder.json describes")
