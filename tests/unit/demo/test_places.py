from collections.abc import Sequence

from embedding_studio.demo.catalog import Film
from embedding_studio.demo.places import COUNTRIES


def test_a_region_holds_what_its_countries_hold(films: Sequence[Film]) -> None:
    by_key = {fact.key: {film.id for film in films if fact.holds(film)} for fact in COUNTRIES}
    assert by_key["sweden"] | by_key["denmark"] | by_key["norway"] | by_key["iceland"] <= by_key["scandinavia"]
    assert by_key["mexico"] | by_key["brazil"] | by_key["argentina"] <= by_key["latin america"]
    assert not by_key["korea"] & {film.id for film in films if film.countries == ("United States",)}
