"""The order of the sections of `bench learning`."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from embedding_studio.bench.charts import Chart, draw
from embedding_studio.bench.figures import Figure
from embedding_studio.bench.findings import Findings
from embedding_studio.bench.learning.esci import measure_esci, measure_esci_encoders
from embedding_studio.bench.learning.gate import measure_gate
from embedding_studio.bench.learning.memory import measure_memory
from embedding_studio.bench.learning.scifact import measure_scifact
from embedding_studio.bench.learning.scifact_encoders import measure_scifact_encoders
from embedding_studio.bench.learning.stage import Stage
from embedding_studio.bench.learning.trainer import measure_trainer
from embedding_studio.bench.sections import chosen, machine

__all__ = ["SECTIONS", "bench_learning", "chosen_sections"]

Section = Callable[[Stage], Coroutine[Any, Any, Findings]]

SECTIONS: Mapping[str, Section] = {
    "scifact": measure_scifact,
    "scifact_encoders": measure_scifact_encoders,
    "memory": measure_memory,
    "esci": measure_esci,
    "esci_encoders": measure_esci_encoders,
    "gate": measure_gate,
    "trainer": measure_trainer,
}
"""What there is to measure."""

_ONLY_WHEN_ASKED = {"scifact_encoders", "esci_encoders"}


def chosen_sections(only: Sequence[str]) -> list[str]:
    """The sections to measure, as `sections.chosen` has it: those that take an hour want to be asked for."""
    return chosen(SECTIONS, only, only_when_asked=_ONLY_WHEN_ASKED)


def bench_learning(
    data_dir: Path, *, only: Sequence[str], sets: Path, plot: Path | None, say: Callable[[str], None]
) -> list[Figure]:
    """Measure section after section.

    Args:
        data_dir: Keeps what is dear to make from one run to the next; made if it is not there.
        only: Names of sections; empty: all.
        sets: Folder of the judged data sets.
        plot: Where the charts are written; None: nowhere.
        say: Tells the person what happens.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    stage = Stage(data_dir.resolve(), sets, say)
    figures = machine()
    charts: list[Chart] = []
    for name in chosen_sections(only):
        say(f"Section {name}")
        findings = asyncio.run(SECTIONS[name](stage))
        figures += findings.figures
        charts += findings.charts
    if plot:
        draw(charts, plot)
    return figures
