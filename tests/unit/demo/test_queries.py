import re
from collections.abc import Callable, Sequence

import pytest

from embedding_studio.demo.catalog import Film, load_films
from embedding_studio.demo.queries import Query, compose_queries


def tokens(text: str) -> set[str]:
    return set(re.findall(r"[\w'-]+", text.lower()))


def test_there_are_enough_queries_and_no_two_are_the_same(queries: Sequence[Query]) -> None:
    assert len({query.text.lower() for query in queries}) == len(queries) >= 1_400
    assert sum(query.clicked for query in queries) >= 1_000
    assert sum(not query.clicked for query in queries) >= 350


def test_no_topic_is_both_clicked_and_never_clicked(queries: Sequence[Query]) -> None:
    clicked = {query.topic for query in queries if query.clicked}
    assert not any(query.topic in clicked for query in queries if not query.clicked)


def test_every_held_out_query_has_a_word_that_no_clicked_query_has(queries: Sequence[Query]) -> None:
    familiar = set().union(*(tokens(query.text) for query in queries if query.clicked))
    held_out = [query for query in queries if query.held_out]
    assert len(held_out) >= 100
    assert all(tokens(query.text) - familiar for query in held_out)
    assert not any(query.clicked for query in held_out)


def test_the_same_films_give_the_same_queries(films: Sequence[Film], queries: Sequence[Query]) -> None:
    assert compose_queries(films) == queries


def test_relevant_films_are_those_that_the_facts_name(films: Sequence[Film], queries: Sequence[Query]) -> None:
    named: dict[tuple[str, ...], Callable[[Film], bool]] = {
        ("seventies", "horror"): lambda film: "Horror" in film.genres and 1970 <= film.year <= 1979,
        ("comedy", "korea"): lambda film: "Comedy" in film.genres and "South Korea" in film.countries,
        ("western", "germany"): lambda film: (
            "Western" in film.genres and bool({"Germany", "West Germany"} & set(film.countries))
        ),
        ("by David Lynch",): lambda film: "David Lynch" in film.directors,
        ("comedy", "with Steve Buscemi"): lambda film: "Comedy" in film.genres and "Steve Buscemi" in film.cast,
        ("oscar", "britain"): lambda film: film.oscars > 0 and "United Kingdom" in film.countries,
    }
    asked = {query.topic: query.relevant for query in queries}
    for topic, holds in named.items():
        assert asked[topic] == {film.id for film in films if holds(film)}, topic


def test_scary_korean_films_and_the_like_mean_what_people_mean(queries: Sequence[Query]) -> None:
    topics = {query.text: query.topic for query in queries}
    assert any("horror" in topic for text, topic in topics.items() if text.startswith("scary "))
    assert all("western" in topic for text, topic in topics.items() if "cowboy" in text)
    assert all("mystery" in topic for text, topic in topics.items() if "whodunits" in text)
    assert all("sixties" in topic for text, topic in topics.items() if text.startswith("60s "))


@pytest.mark.parametrize("count", [800, 3_000])
def test_a_slice_of_the_films_still_gives_queries_of_every_kind(count: int) -> None:
    queries = compose_queries(load_films(count))
    assert sum(query.clicked for query in queries) > 200
    assert any(query.held_out for query in queries)
    assert any(not query.clicked and not query.held_out for query in queries)
