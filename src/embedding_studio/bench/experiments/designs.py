"""The ways to compare two rankings, and when each of them decides if it is read after every session."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from embedding_studio.bench.experiments.pages import Bools, Shop
from embedding_studio.bench.experiments.streams import (
    UnitKind,
    arms_over_time,
    clicked_stream,
    drafted_stream,
    moments_over_time,
)
from embedding_studio.experiments import Floats, Ratio, boundary, difference, enough, enough_preference, ratio

__all__ = ["ALPHA", "DESIGNS", "Design", "End", "Seen", "first_crossing", "limits", "run", "z_scores"]

ALPHA = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What an experiment says after each session: its estimate, and whether there is enough to read it."""

    found: Ratio
    enough: Bools


@dataclass(frozen=True, slots=True)
class End:
    """When an experiment decided, from 1, and whether for the treatment; None: never."""

    sessions: int | None
    for_treatment: bool = False


Design = Callable[[Shop, int, np.random.Generator], Seen]
"""Given a shop, how many sessions, and the source of randomness."""


def run(design: Design, shop: Shop, *, experiments: int, sessions: int) -> Iterator[Seen]:
    """One experiment after the other, each of its own chance."""
    for number in range(experiments):
        yield design(shop, sessions, np.random.default_rng([number, sessions]))


def first_crossing(seen: Seen, limits: Floats) -> End:
    """Where the estimate is first farther from 0 than a number of standard errors, (sessions,)."""
    z = z_scores(seen.found)
    crossed = seen.enough & (np.abs(z) > limits)
    first = int(crossed.argmax())
    return End(first + 1, bool(z[first] > 0)) if crossed[first] else End(None)


def z_scores(found: Ratio) -> Floats:
    """Estimates in standard errors; 0 where nothing can be said."""
    error = np.sqrt(found.variance)
    return np.divide(found.mean, error, out=np.zeros_like(error), where=error > 0)


def _ab(kind: UnitKind, *, with_past: bool = False) -> Design:
    def see(shop: Shop, sessions: int, rng: np.random.Generator) -> Seen:
        treatment = shop.control if shop.is_null else shop.treatment
        arms = arms_over_time(clicked_stream(shop.control, treatment, sessions, kind, rng), with_past=with_past)
        return Seen(difference(arms), enough(arms))

    return see


def _interleaving(kind: UnitKind) -> Design:
    def see(shop: Shop, sessions: int, rng: np.random.Generator) -> Seen:
        stream = drafted_stream(shop.drafts, sessions, kind, rng, swapped=shop.is_null)
        preference = moments_over_time(stream, ~stream.treated)
        return Seen(ratio(preference), enough_preference(preference))

    return see


DESIGNS: Mapping[str, Design] = {
    "ab_by_session": _ab("session"),
    "ab_by_user": _ab("user"),
    "ab_by_user_cuped": _ab("user", with_past=True),
    "interleaving_by_session": _interleaving("session"),
    "interleaving_by_user": _interleaving("user"),
}
"""By name."""


def limits(sessions: int, horizon: int) -> Floats:
    """The product's boundary after each session."""
    return boundary(np.arange(1.0, sessions + 1), horizon, ALPHA)
