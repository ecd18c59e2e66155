"""Sessions one after the other, and what is known of an experiment after each of them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embedding_studio.bench.experiments.pages import QUERIES, Bools, Pages
from embedding_studio.experiments import Arms, Floats, Moments

__all__ = ["Stream", "UnitKind", "arms_over_time", "clicked_stream", "drafted_stream", "moments_over_time"]

UnitKind = Literal["session", "user"]

_MOST_SESSIONS = 20
_OWN_QUERIES = 3
_SPREAD = 4.0
_STAY = 0.2
_NO_PAST = 0.3
_HIGHEST = 0.95

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Sessions in the order in which they come, (sessions,).

    Attributes:
        unit: Whose it is; users come again, up to twenty times, and what they did before hangs together with it.
        treated: Whether the unit is in the treatment; of interleaving, always False.
        value: Of the metric.
        counted: 1 where the session counts for the metric, else 0.
        past: Clicked and all sessions of each unit before the experiment, (units, 2).
    """

    unit: Integers
    treated: Bools
    value: Floats
    counted: Floats
    past: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _People:
    """Who comes, in order; of each unit, how readily it clicks, what it asks, (units, queries), how often it comes."""

    unit: Integers
    readiness: Floats
    queries: Integers
    visits: Integers


def clicked_stream(control: Pages, treatment: Pages, sessions: int, kind: UnitKind, rng: np.random.Generator) -> Stream:
    """An A/B test: the value is whether a session had a click."""
    people = _people(sessions, kind, rng)
    treated = (rng.random(len(people.queries)) < 0.5)[people.unit]  # noqa: PLR2004 -- half and half
    asked = _asked(people, people.unit, rng)
    rates = np.where(treated[:, None], treatment.rates[asked], control.rates[asked])
    value = np.asarray(_clicks(rates, people.readiness[people.unit], rng).any(axis=1), np.float64)
    return Stream(people.unit, treated, value, np.ones(sessions), _past(people, control, rng))


def drafted_stream(
    drafts: Pages, sessions: int, kind: UnitKind, rng: np.random.Generator, *, swapped: bool = False
) -> Stream:
    """Interleaving: the value is the treatment's share of a session's clicks less the control's.

    Args:
        drafts: Of both rankings.
        sessions: How many.
        kind: Of the units.
        rng: The source of randomness.
        swapped: Each unit takes one or the other ranking for the treatment, by chance: each has its preference, which
            lasts, and all together have none.
    """
    people = _people(sessions, kind, rng)
    teams = drafts.teams
    if teams is None:
        raise ValueError("pages that are no drafts")
    which, asked = rng.integers(len(teams), size=sessions), _asked(people, people.unit, rng)
    clicks = _clicks(drafts.rates[which, asked], people.readiness[people.unit], rng)
    flipped = (rng.random(len(people.queries)) < 0.5)[people.unit] & swapped  # noqa: PLR2004 -- half and half
    credit = np.where(teams[which, asked] ^ flipped[:, None], 1.0, -1.0)
    counted = clicks.sum(axis=1)
    value = np.asarray((clicks * credit).sum(axis=1) / np.maximum(counted, 1))
    nobody = np.zeros((len(people.queries), 2))
    return Stream(people.unit, np.zeros(sessions, bool), value, (counted > 0).astype(np.float64), nobody)


def arms_over_time(stream: Stream, *, with_past: bool) -> Arms:
    """The moments of both arms after each session."""
    control, treatment = (
        moments_over_time(stream, stream.treated == treated, with_past=with_past) for treated in (False, True)
    )
    return Arms(control, treatment)


def moments_over_time(stream: Stream, among: Bools, *, with_past: bool = False) -> Moments:
    """The moments of the units of some of the sessions after each session of the stream."""
    rows = np.stack([stream.value, stream.counted], axis=1)
    own = _summed_by_unit(stream.unit, rows)
    first = _first_of_unit(stream.unit)
    known = np.concatenate([own, stream.past[stream.unit]], axis=1) if with_past else own
    before = known.copy()
    before[:, :2] -= rows
    before[first] = 0.0
    changes = known[:, :, None] * known[:, None, :] - before[:, :, None] * before[:, None, :]
    counted = among[:, None]
    return Moments(
        np.cumsum((first & among).astype(np.float64)),
        np.cumsum((known - before) * counted, axis=0),
        np.cumsum(changes * counted[:, :, None], axis=0),
    )


def _people(sessions: int, kind: UnitKind, rng: np.random.Generator) -> _People:
    if kind == "session":
        once = np.ones(sessions)
        return _People(np.arange(sessions), once, rng.integers(QUERIES, size=(sessions, 1)), once.astype(np.int64))
    visits = rng.integers(1, _MOST_SESSIONS + 1, size=sessions)
    users = int(np.searchsorted(np.cumsum(visits), sessions)) + 1
    unit = np.repeat(np.arange(users), visits[:users])
    at = rng.random(users)[unit] + rng.exponential(_STAY, len(unit))
    in_order = unit[np.argsort(at)][:sessions]
    readiness = rng.gamma(_SPREAD, 1 / _SPREAD, users)
    return _People(in_order, readiness, rng.integers(QUERIES, size=(users, _OWN_QUERIES)), visits[:users])


def _asked(people: _People, unit: Integers, rng: np.random.Generator) -> Integers:
    return np.asarray(people.queries[unit, rng.integers(people.queries.shape[1], size=len(unit))])


def _clicks(rates: Floats, readiness: Floats, rng: np.random.Generator) -> Bools:
    return np.asarray(rng.random(rates.shape) < np.minimum(rates * readiness[:, None], _HIGHEST))


def _past(people: _People, control: Pages, rng: np.random.Generator) -> Floats:
    """Sessions of before, all on the control's pages; some have none."""
    units = len(people.queries)
    visits = rng.poisson(people.visits) * (rng.random(units) >= _NO_PAST)
    unit = np.repeat(np.arange(units), visits)
    clicked = _clicks(control.rates[_asked(people, unit, rng)], people.readiness[unit], rng).any(axis=1)
    return np.stack([np.bincount(unit, clicked, units), visits.astype(np.float64)], axis=1)


def _summed_by_unit(unit: Integers, rows: Floats) -> Floats:
    """What each session's unit has come to with it, (sessions, columns)."""
    order = np.argsort(unit, kind="stable")
    running = np.cumsum(rows[order], axis=0)
    starts = _first_of_unit(unit)[order]
    at_start = np.where(starts[:, None], running - rows[order], 0.0)
    offsets = at_start[np.maximum.accumulate(np.where(starts, np.arange(len(unit)), 0))]
    summed = np.empty_like(running)
    summed[order] = running - offsets
    return summed


def _first_of_unit(unit: Integers) -> Bools:
    first = np.zeros(len(unit), bool)
    first[np.unique(unit, return_index=True)[1]] = True
    return first
