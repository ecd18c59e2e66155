from collections.abc import Sequence

import pytest

from embedding_studio.demo.catalog import Film
from embedding_studio.demo.facts import Fact
from embedding_studio.demo.people import ACTORS, DIRECTORS
from embedding_studio.demo.places import COUNTRIES
from embedding_studio.demo.vocabulary import ERAS, GENRES, PRIZES

ALL = (*GENRES, *COUNTRIES, *ERAS, *PRIZES, *ACTORS, *DIRECTORS)


def test_every_fact_has_its_own_key() -> None:
    assert len({fact.key for fact in ALL}) == len(ALL)


@pytest.mark.parametrize("fact", ALL, ids=lambda fact: fact.key)
def test_every_fact_holds_for_some_films_only(fact: Fact, films: Sequence[Film]) -> None:
    assert 0 < sum(map(fact.holds, films)) < len(films)


@pytest.mark.parametrize("fact", ALL, ids=lambda fact: fact.key)
def test_every_fact_can_be_said_beside_any_noun(fact: Fact) -> None:
    assert any(word.place in {"before", "after"} for word in fact.words if not word.held_out)


def test_people_do_not_speak_as_the_catalog_does() -> None:
    catalog = {"horror", "comedy", "sci-fi", "action", "crime", "biography", "mystery", "family", "sport", "war"}
    spoken = {word.text.lower() for fact in GENRES for word in fact.words}
    assert not catalog & spoken
