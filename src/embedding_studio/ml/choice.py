"""Which point of a training is taken: the latest one that none before it is shown to beat on dev.

The rule is that of `adapter`, and its reasons are told there. The weights of a point that may be taken are kept as
safetensors with the vectors of a few canaries, so that what is
restored in the end can be compared with what was chosen.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.base.model import BaseModel

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.ml.canaries import CANARY_TEXTS
from embedding_studio.ml.job import Point
from embedding_studio.ml.ranking import shown_worse

__all__ = ["RESTORED_TOLERANCE", "Choice", "encode_canaries"]

RESTORED_TOLERANCE = 1e-4
"""By how much a canary's number may differ after the weights were read back: rounding of another batch, no more."""

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]


def encode_canaries(model: SentenceTransformer) -> Floats:
    """The canaries' vectors by the torch model, without a prompt."""
    vectors = model.encode(list(CANARY_TEXTS), prompt="", show_progress_bar=False, normalize_embeddings=True)
    return np.asarray(vectors, np.float32)


class Choice(BaseEvaluator):
    """Looks at dev, keeps the curve, and keeps the weights of the point that would be taken now.

    Everything is on disk before the trainer's checkpoint of the same step is, so that a training that goes on from a
    checkpoint finds the curve up to there, and the weights of the point that was taken by then.
    """

    def __init__(
        self,
        folder: Path,
        dev: Callable[[SentenceTransformer], Doubles],
        *,
        report: Callable[[Point], None],
        is_over: Callable[["Choice"], bool],
    ) -> None:
        """`is_over` says whether training shall stop; with several processes the first one speaks for all."""
        super().__init__()  # type: ignore[no-untyped-call]  # sentence-transformers has not typed it
        self.greater_is_better = True
        self.primary_metric = "dev_ndcg@10"
        self._folder = folder
        self._dev = dev
        self._report = report
        self._is_over = is_over
        self.loss: float | None = None
        self.curve: list[Point] = self._read()

    def __call__(
        self, model: BaseModel, output_path: str | None = None, epoch: float = -1, steps: int = -1
    ) -> dict[str, float]:
        """Note the point that training has come to."""
        del output_path, epoch
        if not isinstance(model, SentenceTransformer):
            raise TypeError(f"dev is looked at with a SentenceTransformer, not {type(model).__name__}")
        values = self._dev(model)
        if not self.curve or self.curve[-1].step < steps:
            self.curve.append(Point(steps, tuple(map(float, values)), self.loss))
            self.loss = None
            if self.chosen == len(self.curve) - 1:
                self._keep(model, steps)
            self._write()
            self._report(self.curve[-1])
        over = float(self._is_over(self))
        return {"dev_ndcg@10": float(values.mean()) if len(values) else 0.0, "is_over": over}

    @property
    def chosen(self) -> int:
        """Position in the curve of the point that is to be taken."""
        chosen, best = 0, np.asarray(self.curve[0].ndcg)
        for number, point in enumerate(self.curve):
            values = np.asarray(point.ndcg)
            if not shown_worse(values, best):
                chosen = number
            if values.sum() > best.sum():
                best = values
        return chosen

    def go_back_to(self, step: int) -> None:
        """Forget the points after a step."""
        self.curve = [point for point in self.curve if point.step <= step]
        self._write()

    def prune(self) -> None:
        """Delete the weights of points that are not to be taken."""
        kept = self._weights(self.curve[self.chosen].step)
        for path in self._folder.glob("point-*"):
            if path != kept:
                shutil.rmtree(path)

    def restore(self, model: SentenceTransformer) -> float:
        """Put the chosen point's weights into the model; returns by how much a canary's number differs from then.

        Raises:
            InvalidError: The canaries come out otherwise: these are not the weights of the chosen point.
        """
        folder = self._weights(self.curve[self.chosen].step)
        model.load_state_dict(load_file(folder / "model.safetensors", device=str(model.device)), strict=True)
        before = load_file(folder / "canaries.safetensors")["vectors"].numpy()
        difference = float(np.abs(encode_canaries(model) - before).max())
        if not difference <= RESTORED_TOLERANCE:
            raise InvalidError(f"the restored weights differ by {difference:.1e} on the canaries")
        return difference

    def _keep(self, model: SentenceTransformer, step: int) -> None:
        folder = self._weights(step)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
        save_file(state, folder / "model.safetensors")
        save_file({"vectors": torch.from_numpy(encode_canaries(model))}, folder / "canaries.safetensors")

    def _weights(self, step: int) -> Path:
        return self._folder / f"point-{step}"

    def _read(self) -> list[Point]:
        path = self._folder / "curve.json"
        return msgspec.json.decode(path.read_bytes(), type=list[Point]) if path.exists() else []

    def _write(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._folder / "curve.json.draft"
        draft.write_bytes(msgspec.json.encode(self.curve))
        draft.replace(self._folder / "curve.json")
