import numpy as np
import pytest

from embedding_studio.bench.experiments.designs import DESIGNS, End, Seen, first_crossing, limits, run
from embedding_studio.bench.experiments.pages import make_shop
from embedding_studio.bench.experiments.streams import arms_over_time, clicked_stream
from embedding_studio.experiments import Arms, Floats, Moments, Observed, Rules, difference, enough, read

SESSIONS = 2_000
NOTHING = make_shop(ctr=0.3, lift=0.0)


def deciding(name: str, lines: Floats) -> int:
    """How many of fifty experiments with nothing to find decide."""
    seen = run(DESIGNS[name], NOTHING, experiments=50, sessions=SESSIONS)
    return sum(first_crossing(one, lines).sessions is not None for one in seen)


@pytest.mark.parametrize("name", DESIGNS)
def test_where_there_is_nothing_hardly_any_experiment_decides(name: str) -> None:
    """The short form of the bench: of a binomial of fifty with .05, 96 % lie here."""
    assert deciding(name, limits(SESSIONS, SESSIONS)) <= 5


@pytest.mark.parametrize("name", ["ab_by_session", "interleaving_by_session"])
def test_a_test_for_one_look_errs_if_one_looks_all_the_time(name: str) -> None:
    assert deciding(name, np.full(SESSIONS, 1.96)) >= 10


@pytest.mark.parametrize("name", ["interleaving_by_session", "interleaving_by_user"])
def test_interleaving_finds_a_lift_of_a_tenth_in_two_thousand_sessions(name: str) -> None:
    shop, lines = make_shop(ctr=0.3, lift=0.1), limits(SESSIONS, SESSIONS)
    ends = [first_crossing(seen, lines) for seen in run(DESIGNS[name], shop, experiments=20, sessions=SESSIONS)]
    assert sum(end.for_treatment for end in ends) >= 18


def test_the_bench_decides_where_the_product_does() -> None:
    shop, sessions = make_shop(ctr=0.3, lift=0.5), 1_500
    stream = clicked_stream(shop.control, shop.treatment, sessions, "user", np.random.default_rng(5))
    arms = arms_over_time(stream, with_past=True)
    end = first_crossing(Seen(difference(arms), enough(arms)), limits(sessions, sessions))
    decisions = [
        read(Observed(at + 1, None, "ctr", {"ctr": _at(arms, at)}), Rules(horizon=sessions)).decision
        for at in range(1, sessions)
    ]
    first = next(at for at, decision in enumerate(decisions, start=2) if decision)
    assert end == End(first, for_treatment=True)


def test_an_experiment_that_never_decides_has_no_end() -> None:
    (seen,) = run(DESIGNS["ab_by_session"], NOTHING, experiments=1, sessions=SESSIONS)
    assert first_crossing(seen, np.full(SESSIONS, np.inf)) == End(None)


def _at(arms: Arms, session: int) -> Arms:
    return Arms(
        *(
            Moments(one.units[session], one.sums[session], one.products[session])
            for one in (arms.control, arms.treatment)
        )
    )
