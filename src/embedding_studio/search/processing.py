"""Queries in words through the processors of a plugin, none of which can fail a search."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from embedding_studio.kernel.storable import refuse_unstorable
from embedding_studio.sdk import QueryDraft, QueryProcessorPart
from embedding_studio.search.building import built
from embedding_studio.search.metrics import PARTS_SKIPPED
from embedding_studio.vector_store import Filter, parse_filter

__all__ = ["Processed", "Step", "process", "process_in_time"]

logger = logging.getLogger(__name__)

_LONGEST_TEXT = 10_000
_LONGEST_EXPANSION = 1_000
_MOST_EXPANSIONS = 100
_PATIENCE = 1.0  # seconds
_THREADS = ThreadPoolExecutor(4, thread_name_prefix="query-processors")
"""Their own, so that processors that hang hold up nothing else."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a processor changed.

    Attributes:
        processor: The name of its part.
        text: The text as it left it.
        expansions: Those that it added.
        filters: Those that it added.
    """

    processor: str
    text: str
    expansions: tuple[str, ...]
    filters: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Processed:
    """A query as the processors left it.

    Attributes:
        draft: Its text may be empty where all of it became filters.
        filters: The draft's, read.
        steps: Of the processors that changed something, in their order.
    """

    draft: QueryDraft
    filters: tuple[Filter, ...]
    steps: tuple[Step, ...]


async def process_in_time(processors: Sequence[QueryProcessorPart], text: str) -> Processed:
    """What `process` makes of a query, in a thread; the query as it was if that takes longer than a second."""
    working = asyncio.get_running_loop().run_in_executor(_THREADS, copy_context().run, process, processors, text)
    try:
        async with asyncio.timeout(_PATIENCE):
            return await working
    except TimeoutError:
        PARTS_SKIPPED.labels("all_processors").inc()
        logger.warning("the query processors are skipped: they did not answer within %g s", _PATIENCE)
        return Processed(QueryDraft(text), (), ())


def process(processors: Sequence[QueryProcessorPart], text: str) -> Processed:
    """Let each processor make a better query of what the one before left.

    One that raises, or leaves what cannot be searched for, is logged, counted and skipped.
    """
    done = Processed(QueryDraft(text), (), ())
    for part in processors:
        name = type(part).__name__
        try:
            done = _apply(part, name, done)
        except Exception:
            PARTS_SKIPPED.labels(name).inc()
            logger.exception("the query processor %s is skipped", name)
    return done


def _apply(part: QueryProcessorPart, name: str, done: Processed) -> Processed:
    before, after = done.draft, built(part)(done.draft)
    if after == before:
        return done
    filters = _checked(after)
    if before.text.strip() and not after.text.strip() and not filters:
        raise ValueError("nothing is left to search for")
    step = Step(
        name,
        after.text,
        tuple(word for word in after.expansions if word not in before.expansions),
        tuple(tree for tree in after.filters if tree not in before.filters),
    )
    return Processed(after, filters, (*done.steps, step))


def _checked(draft: Any) -> tuple[Filter, ...]:
    """The filters of a draft that a plugin made; raises where the draft is not what a request could have brought."""
    if not isinstance(draft, QueryDraft) or not isinstance(draft.text, str):
        raise TypeError("a processor gives a QueryDraft with a text")
    if len(draft.text) > _LONGEST_TEXT:
        raise ValueError(f"the text has more than {_LONGEST_TEXT} characters")
    if len(draft.expansions) > _MOST_EXPANSIONS or any(len(word) > _LONGEST_EXPANSION for word in draft.expansions):
        raise ValueError(f"there are more than {_MOST_EXPANSIONS} expansions, or one is too long")
    for words in (draft.text, *draft.expansions):
        words.encode()
        refuse_unstorable(words, "text")
    refuse_unstorable(draft.filters, "filters")
    return tuple(parse_filter(dict(tree), f"filters[{number}]") for number, tree in enumerate(draft.filters))
