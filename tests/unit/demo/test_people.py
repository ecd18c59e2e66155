from collections.abc import Sequence

from embedding_studio.demo.catalog import Film
from embedding_studio.demo.people import ACTORS, DIRECTORS


def test_the_films_that_stand_for_directors_are_theirs(films: Sequence[Film]) -> None:
    for director in DIRECTORS:
        title = next(word.text for word in director.words if word.place == "whole").partition("director of ")[2]
        assert any(film.title == title and director.holds(film) for film in films), director.key


def test_a_director_is_not_an_actor(films: Sequence[Film]) -> None:
    scream = next(film for film in films if film.title == "Scream" and film.year == 1996)
    by_craven = next(fact for fact in DIRECTORS if fact.key == "by Wes Craven")
    assert by_craven.holds(scream)
    assert not any(fact.holds(scream) for fact in ACTORS if "Craven" in fact.key)
