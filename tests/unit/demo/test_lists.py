from collections.abc import Mapping, Sequence

from embedding_studio.demo.catalog import Film
from embedding_studio.demo.lists import side_by_side
from embedding_studio.demo.queries import Query
from embedding_studio.simulation.quality import Evaluation


def test_five_queries_from_the_best_to_the_worst(film_of: Mapping[str, Film], queries: Sequence[Query]) -> None:
    chosen = queries[:100]
    ids = list(film_of)[:10]
    results = {query.text: tuple(ids) for query in chosen}
    before = Evaluation(1, results, {query.text: 0.5 for query in chosen})
    after = Evaluation(2, results, {query.text: number / 100 for number, query in enumerate(chosen)})
    lists = side_by_side(chosen, before, after, film_of)
    assert [one.query for one in lists] == [chosen[number].text for number in (98, 90, 75, 50, 2)]
    assert [one.ndcg_after for one in lists] == [0.98, 0.9, 0.75, 0.5, 0.02]
    assert lists[0].rank == "gained more than 98% of the queries"


def test_a_hit_shows_the_film_and_whether_it_is_relevant(film_of: Mapping[str, Film]) -> None:
    robe = Query("old Roman films", ("old",), frozenset({"tt0046247"}), clicked=False, held_out=False)
    one = Evaluation(1, {robe.text: ("tt0046247", "tt1326247")}, {robe.text: 1.0})
    first, second = side_by_side([robe], one, one, film_of)[0].after
    assert (first.title, first.facts, first.relevant) == ("The Robe", "1953 · United States · Drama, History", True)
    assert (second.title, second.relevant) == ("Mine", False)
