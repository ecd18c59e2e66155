"""Ways to make training weights of clicks: the product's judgments, and what they are compared with."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from embedding_studio.bench.learning.clicking import ClickedPages
from embedding_studio.fine_tuning import Trials, fit_clicks, judge, normalize_query

__all__ = ["ALL_CLICKED", "JUDGMENTS", "WAYS"]

ALL_CLICKED = "all_clicked"
JUDGMENTS = "judgments"

_ENOUGH_CLICKS = 3
_HALF = 0.5
_LEAST = 0.05

Weights = NDArray[np.float64]


def _all_clicked(pages: ClickedPages) -> Weights:
    return (pages.counts > 0).astype(np.float64)


def _three_clicks(pages: ClickedPages) -> Weights:
    return (pages.counts >= _ENOUGH_CLICKS).astype(np.float64)


def _click_through(pages: ClickedPages) -> Weights:
    return np.asarray(pages.counts / pages.clicks.shape[1], np.float64)


def _over_expected(pages: ClickedPages) -> Weights:
    """Clicks over those expected at the position (COEC, Zhang & Jones 2007), not shrunk."""
    expected = np.maximum(pages.counts.mean(axis=0), 1 / len(pages.counts))
    return np.asarray(pages.counts / expected, np.float64)


def _without_positions(pages: ClickedPages) -> Weights:
    """The click model, as if all positions were one."""
    trials = _trials(pages)
    return _fitted(replace(trials, position=np.zeros_like(trials.position)), pages)


def _without_other_items(pages: ClickedPages) -> Weights:
    """The click model, as if each pair were a query of its own."""
    trials = _trials(pages)
    return _fitted(replace(trials, query=np.arange(len(trials.query))), pages)


def _cut_off(pages: ClickedPages) -> Weights:
    return (_judged(pages) > _HALF).astype(np.float64)


def _judged(pages: ClickedPages) -> Weights:
    """What the product makes of the sessions."""
    worth = {(row.group, row.item_id): row.worth for row in judge(pages.all_clicks(), pages.pages()).rows}
    groups = map(normalize_query, pages.queries)
    pairs = [(group, item) for group, items in zip(groups, pages.items, strict=True) for item in items]
    return np.array([worth.get(pair, 0.0) for pair in pairs]).reshape(pages.counts.shape)


WAYS: Mapping[str, Callable[[ClickedPages], Weights]] = MappingProxyType(
    {
        ALL_CLICKED: _all_clicked,
        "three_clicks": _three_clicks,
        "click_through": _click_through,
        "over_expected": _over_expected,
        "without_positions": _without_positions,
        "without_other_items": _without_other_items,
        "cut_off": _cut_off,
        JUDGMENTS: _judged,
    }
)
"""Weights, float64 (queries, positions), by name; 0 where nothing is to be learnt."""


def _trials(pages: ClickedPages) -> Trials:
    queries, positions = pages.counts.shape
    return Trials(
        pair=np.arange(pages.counts.size),
        position=np.tile(np.arange(positions), queries),
        shown=np.full(pages.counts.size, pages.clicks.shape[1], np.float64),
        clicked=pages.counts.ravel().astype(np.float64),
        query=np.repeat(np.arange(queries), positions),
    )


def _fitted(trials: Trials, pages: ClickedPages) -> Weights:
    weights = fit_clicks(trials).weight.reshape(pages.counts.shape)
    return np.where((pages.counts > 0) & (weights >= _LEAST), weights, 0.0)
