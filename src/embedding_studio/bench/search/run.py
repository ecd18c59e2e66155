"""The order of the sections, and the one start of the product that they share."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import uvloop

from embedding_studio.bench.figures import Figure
from embedding_studio.bench.search.films import measure_films
from embedding_studio.bench.search.filters import measure_filters
from embedding_studio.bench.search.million import measure_million
from embedding_studio.bench.search.observing import measure_observing
from embedding_studio.bench.search.quality import measure_quality
from embedding_studio.bench.search.rivals import measure_rivals
from embedding_studio.bench.search.stage import Sizes, Stage
from embedding_studio.bench.search.texts import measure_texts
from embedding_studio.bench.search.vectors import measure_vectors
from embedding_studio.bench.sections import chosen, machine
from embedding_studio.infra.embedded import free_port
from embedding_studio.settings import PREFIX
from embedding_studio.up import studio

__all__ = ["SECTIONS", "bench_search", "chosen_sections"]

Section = Callable[[Stage], Coroutine[Any, Any, list[Figure]]]

SECTIONS: Mapping[str, Section] = {
    "vectors": measure_vectors,
    "observing": measure_observing,
    "filters": measure_filters,
    "rivals": measure_rivals,
    "text": measure_texts,
    "quality": measure_quality,
    "films": measure_films,
    "million": measure_million,
}
"""What there is to measure; those that share a collection stand together."""

_ONLY_WHEN_ASKED = {"million"}


def chosen_sections(only: Sequence[str]) -> list[str]:
    """The sections to measure, as `sections.chosen` has it: those that take an hour want to be asked for."""
    return chosen(SECTIONS, only, only_when_asked=_ONLY_WHEN_ASKED)


def bench_search(
    data_dir: Path, *, only: Sequence[str], sets: Path, sizes: Sizes, say: Callable[[str], None]
) -> list[Figure]:
    """Start everything on `data_dir` and measure section after section.

    The product remembers no query's vector meanwhile: sections ask the same queries more than once.

    Args:
        data_dir: Where servers keep their data; made if it is not there.
        only: Names of sections; empty: all but `million`.
        sets: Folder of the judged data sets.
        sizes: How much to measure on.
        say: Tells the person what happens.
    """
    names = chosen_sections(only)
    host, port = "127.0.0.1", free_port()
    figures = machine()
    os.environ[f"{PREFIX}INFERENCE__CACHED_QUERIES"] = "0"
    with studio(data_dir, host=host, port=port, say=say) as (supervisor, settings):
        stage = Stage(host, port, data_dir.resolve(), sets, sizes, settings, supervisor, say)
        for name in names:
            say(f"Section {name}")
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # the product's own: cheaper
                figures += runner.run(SECTIONS[name](stage))
        stage.clear()
    return figures
