"""What every section of `bench learning` is given."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from embedding_studio.sdk import DEFAULT_MODEL, EncoderSource, SentenceEncoder

__all__ = ["Stage"]


@dataclass(frozen=True, slots=True)
class Stage:
    """Where things lie.

    Attributes:
        data_dir: Keeps what is dear to make, such as vectors, from one run to the next; made already.
        sets: Folder of the judged data sets.
        say: Tells the person what happens.
        model: That texts are encoded by and trainings begin with.
    """

    data_dir: Path
    sets: Path
    say: Callable[[str], None]
    model: str = DEFAULT_MODEL

    @property
    def source(self) -> EncoderSource:
        """The model as a collection names it."""
        return SentenceEncoder(self.model).build()
