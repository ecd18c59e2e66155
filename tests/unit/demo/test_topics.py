from collections.abc import Sequence

import pytest

from embedding_studio.demo.catalog import Film, load_films
from embedding_studio.demo.topics import FEWEST_RELEVANT, MOST_RELEVANT, Topic, find_topics


@pytest.fixture(scope="module")
def slice_of_films() -> Sequence[Film]:
    return load_films(2_000)


@pytest.fixture(scope="module")
def topics(slice_of_films: Sequence[Film]) -> Sequence[Topic]:
    return find_topics(slice_of_films, seed=1)


def test_a_topic_is_relevant_to_just_the_films_for_which_its_facts_hold(
    slice_of_films: Sequence[Film], topics: Sequence[Topic]
) -> None:
    for topic in topics[:50]:
        assert topic.relevant == {film.id for film in slice_of_films if all(fact.holds(film) for fact in topic.facts)}


def test_no_topic_has_too_few_or_too_many_relevant_films(topics: Sequence[Topic]) -> None:
    assert all(FEWEST_RELEVANT <= len(topic.relevant) <= MOST_RELEVANT for topic in topics)


def test_no_fact_of_a_topic_is_implied_by_another(topics: Sequence[Topic]) -> None:
    alone = {topic.relevant for topic in topics if len(topic.facts) == 1}
    assert not any(topic.relevant in alone for topic in topics if len(topic.facts) > 1)


def test_the_seed_alone_decides_the_order(slice_of_films: Sequence[Film], topics: Sequence[Topic]) -> None:
    again, other = (find_topics(slice_of_films, seed) for seed in (1, 2))
    assert [topic.key for topic in again] == [topic.key for topic in topics]
    assert [topic.key for topic in other] != [topic.key for topic in topics]
