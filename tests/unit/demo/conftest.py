from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from embedding_studio.demo.catalog import Film, load_films
from embedding_studio.demo.queries import Query, compose_queries
from embedding_studio.demo.record import Curve, Day, DemoReport, Hit, SideBySide
from embedding_studio.simulation.quality import Estimate


@pytest.fixture(scope="session")
def films() -> Sequence[Film]:
    return load_films()


@pytest.fixture(scope="session")
def film_of(films: Sequence[Film]) -> Mapping[str, Film]:
    return {film.id: film for film in films}


@pytest.fixture(scope="session")
def queries(films: Sequence[Film]) -> Sequence[Query]:
    return compose_queries(films)


def _curve(value: float) -> Curve:
    estimate = Estimate(value, value - 0.01, value + 0.01)
    return Curve(estimate, estimate, replace(estimate, mean=value - 0.005))


def _day(number: int, decision: str, value: float) -> Day:
    return Day(
        number=number,
        sessions=100,
        events=150,
        gate={"decision": decision, "reasons": [f"reason of day {number}"]},
        gate_gain=Estimate(0.05, 0.01, 0.09) if number > 1 else None,
        model_version=number if decision == "promote" else 1,
        mlflow_run_id=f"run-{number}",
        curve=_curve(value),
    )


@pytest.fixture
def a_report() -> Callable[..., DemoReport]:
    return _report


def _report(*decisions: str, title: str = "The Robe", query: str = "old films", shuffled: bool = False) -> DemoReport:
    hits = [Hit(title, "1953 · United States", relevant=True), Hit("Mine", "2009", relevant=False)]
    return DemoReport(
        seed=3,
        shuffled_clicks=shuffled,
        items=17_472,
        queries={"clicked": 1_150, "never_clicked": 400},
        before=_curve(0.2),
        gain=Curve(*[Estimate(0.1, 0.08, 0.12)] * 3),
        days=[_day(number, decision, 0.2 + number / 20) for number, decision in enumerate(decisions, start=1)],
        lists=[SideBySide(query, "gained more than 50% of the queries", 0.1, 0.9, hits[::-1], hits)],
        seconds={"ingest": 60.0, "total": 240.0},
        peak_memory_mb=1_234.5,
    )
