"""Pages that two rankings show, and what users click on them."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedding_studio.experiments import team_draft
from embedding_studio.simulation.users import UserModel

__all__ = ["QUERIES", "Bools", "Pages", "Shop", "make_shop"]

QUERIES = 500
_ITEMS = 30
_SHOWN = 10
_DRAFTS = 16
_GOOD = 0.15
_NOISE = 1.0
_STEPS = 50

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Pages:
    """Pages of queries.

    Attributes:
        rates: Probability of a click on each place by a user of the usual kind, (…, queries, places).
        teams: Whether the place is the treatment's pick, (…, queries, places); None: one ranking has made the page.
    """

    rates: Floats
    teams: Bools | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Shop:
    """The pages of two rankings.

    Attributes:
        drafts: Of both, (drafts, queries, places).
        is_null: Whether the treatment is as good as the control.
    """

    control: Pages
    treatment: Pages
    drafts: Pages
    is_null: bool


def make_shop(*, ctr: float, lift: float, seed: int = 0) -> Shop:
    """Two rankings of the same items, of which the treatment's knows a little more of what is relevant.

    Clicks follow the simulator's position-based model, its attractions scaled so that a share `ctr` of the sessions on
    the control's pages has a click; the treatment's knowledge is such that on its pages a share `ctr * (1 + lift)` has.

    Args:
        ctr: 0..1.
        lift: 0: the rankings differ, but are as good as each other.
        seed: Of all chance.
    """
    rng = np.random.default_rng(seed)
    gains = (rng.random((QUERIES, _ITEMS)) < _GOOD).astype(np.float64)
    scores = gains + rng.normal(0.0, _NOISE, gains.shape)
    others = scores if lift else gains + rng.normal(0.0, _NOISE, gains.shape)
    control = _ranked(scores)
    scale = _root(lambda x: _ctr(_rates(control, gains, x)) - ctr, 1.0)
    wanted = ctr * (1 + lift)
    knowledge = _root(lambda x: _ctr(_rates(_ranked(others + (x - 2) * gains), gains, scale)) - wanted, 6.0)
    treatment = _ranked(others + (knowledge - 2) * gains)
    drafts, teams = _drafts(control, treatment, seed)
    return Shop(
        Pages(_rates(control, gains, scale)),
        Pages(_rates(treatment, gains, scale)),
        Pages(_rates(drafts, gains, scale), teams),
        is_null=lift == 0,
    )


def _ranked(scores: Floats) -> NDArray[np.int64]:
    return np.argsort(-scores, axis=1)


def _rates(rankings: NDArray[np.int64], gains: Floats, scale: float) -> Floats:
    """Of the first ten places, (…, queries, places)."""
    model = UserModel()
    shown = rankings[..., :_SHOWN]
    found = np.take_along_axis(np.broadcast_to(gains, (*shown.shape[:-1], _ITEMS)), shown, axis=-1)
    attraction = model.click_other + (model.click_relevant - model.click_other) * found
    return scale * attraction * np.arange(1, _SHOWN + 1) ** -model.examination


def _ctr(rates: Floats) -> float:
    """Share of sessions with a click."""
    return float(np.mean(1 - np.prod(1 - rates, axis=-1)))


def _root(rising: Callable[[float], float], most: float) -> float:
    """Where a rising function of 0..most is 0, by halving."""
    low, high = 0.0, most
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def _drafts(control: NDArray[np.int64], treatment: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], Bools]:
    """Several drafts of every query, as a search makes them: items and teams, (drafts, queries, places)."""
    chance = random.Random(seed)  # noqa: S311 -- repeatable on purpose
    windows = [
        ([str(item) for item in mine[:_SHOWN]], [str(item) for item in theirs[:_SHOWN]])
        for mine, theirs in zip(control.tolist(), treatment.tolist(), strict=True)
    ]
    drafted = [[team_draft(*both, chance)[:_SHOWN] for both in windows] for _ in range(_DRAFTS)]
    items = [[[int(pick.item_id) for pick in page] for page in draft] for draft in drafted]
    teams = [[[pick.team == "treatment" for pick in page] for page in draft] for draft in drafted]
    return np.asarray(items), np.asarray(teams)
