"""Result lists before and after, side by side."""

from collections.abc import Mapping, Sequence

from embedding_studio.demo.catalog import Film
from embedding_studio.demo.queries import Query
from embedding_studio.demo.record import Hit, SideBySide
from embedding_studio.simulation.quality import Evaluation

__all__ = ["side_by_side"]

_QUANTILES = (0.98, 0.9, 0.75, 0.5, 0.02)
_GENRES_SHOWN = 3


def side_by_side(
    queries: Sequence[Query], before: Evaluation, after: Evaluation, films: Mapping[str, Film]
) -> list[SideBySide]:
    """Five of the queries, taken at fixed places of the order by gain: from nearly the best to nearly the worst."""

    def gain(query: Query) -> tuple[float, str]:
        return after.ndcg[query.text] - before.ndcg[query.text], query.text

    ordered = sorted(queries, key=gain)
    return [_pair(ordered[int(at * len(ordered))], at, before, after, films) for at in _QUANTILES]


def _pair(query: Query, at: float, before: Evaluation, after: Evaluation, films: Mapping[str, Film]) -> SideBySide:
    def hits(evaluation: Evaluation) -> list[Hit]:
        return [_hit(films[item], query) for item in evaluation.results[query.text]]

    return SideBySide(
        query=query.text,
        rank=f"gained more than {at:.0%} of the queries",
        ndcg_before=before.ndcg[query.text],
        ndcg_after=after.ndcg[query.text],
        before=hits(before),
        after=hits(after),
    )


def _hit(film: Film, query: Query) -> Hit:
    facts = (str(film.year), ", ".join(film.countries[:1]), ", ".join(film.genres[:_GENRES_SHOWN]))
    return Hit(film.title, " · ".join(filter(None, facts)), film.id in query.relevant)
