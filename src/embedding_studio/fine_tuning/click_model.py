"""How much more often a pair is clicked than what else stands at its positions: a model fitted to the clicks.

Of a query's item that was shown at position k, a user clicks with probability

    s · b(k)       if it is like most items (background),
    s · b(k) · λ   if it is a good one.

b is the background's click probability by position. It is the examination curve times what noise there is, which need
not be told apart. It falls or stays; where clicks do not fall with the position, it comes out flat. λ is the lift of
good items, one for all. s is how ready the people who ask this query are to click at all, seen from its other items.

How probable a good item is before any click is free for each position: a ranker puts good items to the top, and without
that the curve would take the ranker's merit for people's laziness.

It is the position-based model (Craswell et al. 2008) with a latent class for relevance, fitted by EM (Dempster et al.
1977; for clicks Wang et al. 2018). Shown repeatedly, good items stand out of their position's rate as overdispersion,
which is what tells curve and relevance apart without any intervention. The posterior of the good class is clicks over
expected clicks (Zhang & Jones 2007), shrunk by how much was seen.

Where nothing stands out (clicks shuffled over sessions, or thrown at random), the model is no likelier than one without
good items, and every weight is about zero: BIC (Schwarz 1978) says how far it is to be believed.
"""

from dataclasses import dataclass, replace
from math import exp, inf, log

import numpy as np
import numpy.typing as npt

from embedding_studio.kernel.errors import InvalidError

__all__ = ["ClickModel", "Evidence", "Trials", "fit_clicks"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_MOST_STEPS = 300
_TOLERANCE = 1e-7
_LEAST, _MOST = 1e-6, 0.95
_BACKGROUND_TRIALS = 20.0
"""Trials at the mean rate that every position starts with: with little data the curve is flat."""
_PRIOR_PAIRS = 10.0
"""Pairs of the mean prior that every position starts with."""
_START_LIFT, _START_PRIOR = 3.0, 0.1
_PARAMETERS = 5
"""That the good class adds: λ, and of the prior level, slope and some freedom; the rest of it is shrunk away."""


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """What was shown and what of it was clicked, summed by pair and position.

    Attributes:
        pair: Of each row, from 0, int64 (rows,); a pair has a row for each position at which it was shown.
        position: Of each row, from 0: a class of positions, int64 (rows,).
        shown: Weight of the times that it was shown, above 0, float64 (rows,).
        clicked: Weight of those with a click, from 0 to `shown`, float64 (rows,).
        query: Of each pair, from 0, int64 (pairs,).

    Raises:
        InvalidError: More was clicked than shown, or the arrays do not fit each other.
    """

    pair: Rows
    position: Rows
    shown: Floats
    clicked: Floats
    query: Rows

    def __post_init__(self) -> None:
        if not self.pair.shape == self.position.shape == self.shown.shape == self.clicked.shape:
            raise InvalidError("the columns of trials are not of one length")
        if not ((self.shown > 0) & (self.clicked >= 0) & (self.clicked <= self.shown * (1 + 1e-9))).all():
            raise InvalidError("of each row something is shown, and of that as much is clicked at most")

    def by_pair(self, values: Floats) -> Floats:
        """Sums of the rows' values by pair."""
        return _sums(self.pair, values, len(self.query))

    def by_query(self, values: Floats) -> Floats:
        """Sums of the pairs' values by query."""
        return _sums(self.query, values)

    def by_position(self, values: Floats) -> Floats:
        """Sums of the rows' values by position."""
        return _sums(self.position, values)


@dataclass(frozen=True, slots=True, eq=False)
class ClickModel:
    """The fitted model.

    Attributes:
        background: b, float64 (positions,).
        lift: λ, from 1.
        usual: Lift of the mean item that was shown, from 1 to λ.
        prior: Probability of a good item before any click, float64 (positions,).
        certainty: Probability that there are good items at all, from 0 to 1.
    """

    background: Floats
    lift: float
    usual: float
    prior: Floats
    certainty: float

    def weight(self, good: Floats) -> Floats:
        """How much of what the clicks say is the item's own merit, from 0 to 1, monotone in `good`.

        Args:
            good: Probability of the good class, as `posterior` gives it.

        Returns:
            The probability that the item is good, times the share of a good item's clicks that it has beyond the usual
            item's, times the certainty that there are good items at all.
        """
        return good * (1 - self.usual / self.lift) * self.certainty

    def posterior(self, trials: Trials, readiness: Floats) -> Floats:
        """Probability of the good class, float64 (pairs,).

        Another click raises it or leaves it, and another time shown without a click lowers it or leaves it.

        Args:
            trials: Of the pairs.
            readiness: s of each pair's query, float64 (pairs,).
        """
        other, good = self._log_likelihoods(trials, readiness)
        return 1 / (1 + np.exp(-np.clip(self._log_odds(trials) + good - other, -50, 50)))

    def log_likelihood(self, trials: Trials, readiness: Floats) -> float:
        """Of all trials."""
        other, good = self._log_likelihoods(trials, readiness)
        if self.lift == 1:
            return float(other.sum())
        odds = self._log_odds(trials)
        return float((np.logaddexp(odds + good, other) - np.logaddexp(odds, 0)).sum())

    def _log_likelihoods(self, trials: Trials, readiness: Floats) -> tuple[Floats, Floats]:
        rate = readiness[trials.pair] * self.background[trials.position]
        return _bernoulli(trials, rate), _bernoulli(trials, self.lift * rate)

    def _log_odds(self, trials: Trials) -> Floats:
        """Of the good class before any click: the mean of the positions' priors, by how often each was held."""
        prior = trials.by_pair(trials.shown * self.prior[trials.position]) / trials.by_pair(trials.shown)
        return np.log(prior) - np.log1p(-prior)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The model with what it says of the pairs that it was fitted to.

    Attributes:
        good: Probability of the good class, float64 (pairs,).
        readiness: s of each pair's query, seen from the query's other pairs, float64 (pairs,).
    """

    model: ClickModel
    good: Floats
    readiness: Floats

    @property
    def weight(self) -> Floats:
        """Of each pair, from 0 to 1; see `ClickModel.weight`."""
        return self.model.weight(self.good)


def fit_clicks(trials: Trials) -> Evidence:
    """Fit the model. The order of rows matters to rounding only.

    Raises:
        InvalidError: There are no trials.
    """
    if not len(trials.pair):
        raise InvalidError("there are no trials")
    without = _Fitting(trials, has_good=False)
    without.run()
    fitting = _Fitting(trials, has_good=True)
    fitting.run()
    margin = fitting.likelihood - without.likelihood - 0.5 * _PARAMETERS * log(len(trials.query))
    return fitting.evidence(certainty=1 / (1 + exp(-max(-50.0, min(50.0, margin)))))


class _Fitting:
    """The state between two steps of EM.

    Attributes:
        likelihood: Logarithm of it, at the last step.
    """

    def __init__(self, trials: Trials, *, has_good: bool) -> None:
        self.likelihood = -inf
        self._trials = trials
        self._has_good = has_good
        self._clicked = trials.by_pair(trials.clicked)
        pairs, positions = len(trials.query), int(trials.position.max()) + 1
        self._readiness = np.ones(pairs)
        self._good = np.full(pairs, _START_PRIOR if has_good else 0.0)
        prior = np.full(positions, _START_PRIOR)
        self._model = ClickModel(np.ones(positions), _START_LIFT if has_good else 1.0, 1.0, prior, 1.0)
        self._model = replace(self._model, background=self._background())

    def run(self) -> None:
        """Go on until a step changes nothing any more."""
        before = -inf
        for _ in range(_MOST_STEPS):
            self._readiness = self._ready()
            self.likelihood = self._model.log_likelihood(self._trials, self._readiness)
            if self._has_good:
                self._good = self._model.posterior(self._trials, self._readiness)
            if abs(self.likelihood - before) <= _TOLERANCE * abs(self.likelihood):
                return
            before = self.likelihood
            self._model = ClickModel(self._background(), self._lift(), 1.0, self._prior(), 1.0)

    def evidence(self, *, certainty: float) -> Evidence:
        """What was found."""
        shown = self._trials.by_pair(self._trials.shown)
        usual = float((shown * self._boost()).sum() / shown.sum())
        return Evidence(replace(self._model, usual=usual, certainty=certainty), self._good, self._readiness)

    def _ready(self) -> Floats:
        """s: a query's clicks over those expected, without the pair's own, shrunk to 1.

        The shrinkage is the gamma prior's whose variance the queries' clicks show beyond chance (method of moments).
        """
        trials = self._trials
        expected = trials.by_pair(trials.shown * self._model.background[trials.position]) * self._boost()
        of_query, clicked = trials.by_query(expected), trials.by_query(self._clicked)
        variance = float(((clicked - of_query) ** 2 - of_query).sum() / (of_query**2).sum())
        if not variance > 0:
            return np.ones(len(trials.query))
        others = [total[trials.query] - own for total, own in ((clicked, self._clicked), (of_query, expected))]
        return np.maximum((others[0] + 1 / variance) / (others[1] + 1 / variance), _LEAST)

    def _boost(self) -> Floats:
        return 1 + self._good * (self._model.lift - 1)

    def _background(self) -> Floats:
        trials = self._trials
        exposed = trials.by_position(trials.shown * (self._readiness * self._boost())[trials.pair])
        clicked = trials.by_position(trials.clicked)
        mean = clicked.sum() / exposed.sum()
        exposed, clicked = exposed + _BACKGROUND_TRIALS, clicked + _BACKGROUND_TRIALS * mean
        return np.asarray(np.clip(_falling(clicked / exposed, exposed), _LEAST, _MOST), np.float64)

    def _lift(self) -> float:
        if not self._has_good:
            return 1.0
        trials = self._trials
        exposed = trials.by_pair(trials.shown * self._model.background[trials.position]) * self._readiness
        expected = float((self._good * exposed).sum())
        return max(1.0, float((self._good * self._clicked).sum()) / expected) if expected else 1.0

    def _prior(self) -> Floats:
        trials = self._trials
        share = trials.shown / trials.by_pair(trials.shown)[trials.pair]
        good, pairs = trials.by_position(share * self._good[trials.pair]), trials.by_position(share)
        prior = (good + _PRIOR_PAIRS * good.sum() / pairs.sum()) / (pairs + _PRIOR_PAIRS)
        return np.asarray(np.clip(prior, _LEAST, 1 - _LEAST), np.float64)


def _falling(rates: Floats, weights: Floats) -> Floats:
    """The nearest sequence that nowhere rises: neighbours that do are pooled (Ayer et al. 1955)."""
    pools: list[tuple[float, float, int]] = []
    for rate, weight in zip(rates.tolist(), weights.tolist(), strict=True):
        pools.append((rate, weight, 1))
        while len(pools) > 1 and pools[-1][0] > pools[-2][0]:
            (one, of_one, some), (other, of_other, more) = pools.pop(), pools.pop()
            pools.append(((one * of_one + other * of_other) / (of_one + of_other), of_one + of_other, some + more))
    return np.repeat([rate for rate, _, _ in pools], [count for _, _, count in pools])


def _sums(rows: Rows, values: Floats, count: int = 0) -> Floats:
    return np.bincount(rows, values, count).astype(np.float64, copy=False)


def _bernoulli(trials: Trials, rate: Floats) -> Floats:
    """Log-likelihood of each pair's trials, given the click probability of each row."""
    rate = np.clip(rate, _LEAST, _MOST)
    return trials.by_pair(trials.clicked * np.log(rate) + (trials.shown - trials.clicked) * np.log1p(-rate))
