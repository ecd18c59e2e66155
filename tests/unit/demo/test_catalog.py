from collections.abc import Mapping, Sequence

import pytest

from embedding_studio.demo.catalog import Film, load_films, split_names


def test_the_whole_catalog_has_distinct_ids(films: Sequence[Film]) -> None:
    assert len(films) == len({film.id for film in films}) == 17_472


def test_an_id_that_the_source_uses_twice_is_numbered(films: Sequence[Film]) -> None:
    doubled = [film for film in films if film.id.endswith("-2")]
    assert len(doubled) == 2
    assert all(film.id.removesuffix("-2") in {other.id for other in films} for film in doubled)


def test_a_film_is_read_as_the_source_has_it(film_of: Mapping[str, Film]) -> None:
    film = film_of["tt0046247"]
    assert (film.title, film.year, film.genres, film.directors) == (
        "The Robe",
        1953,
        ("Drama", "History"),
        ("Henry Koster",),
    )
    assert (film.runtime, film.languages, film.countries, film.oscars) == (135, ("English",), ("United States",), 2)
    assert {"Richard Burton", "Jean Simmons", "Victor Mature"} < set(film.cast)


def test_the_cast_begins_with_the_people_of_most_films(film_of: Mapping[str, Film]) -> None:
    assert film_of["tt0046247"].cast[0] == "Richard Burton"


def test_an_item_leaves_out_what_nobody_knows(film_of: Mapping[str, Film]) -> None:
    item = film_of["tt1326247"].item()
    assert item == {
        "id": "tt1326247",
        "payload": {
            "title": "Mine",
            "year": 2009,
            "genres": ["Documentary"],
            "languages": ["English"],
            "countries": ["United States"],
        },
    }


def test_a_slice_is_spread_over_the_catalog(films: Sequence[Film]) -> None:
    few = load_films(300)
    assert len(few) == 300
    assert set(few) < set(films)
    assert {film.year // 10 for film in few} == {film.year // 10 for film in films}


def test_more_films_than_there_are_is_all_of_them(films: Sequence[Film]) -> None:
    assert load_films(20_000) == films


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        (None, ()),
        ("", ()),
        ("Ed Begley, Jr., Dan Aykroyd", ("Ed Begley Jr.", "Dan Aykroyd")),
        ("Jr., Ed Begley", ("Jr.", "Ed Begley")),
        ("Robert Downey Jr.", ("Robert Downey Jr.",)),
        ("Anna, Ben, Anna", ("Anna", "Ben")),
    ],
)
def test_names_are_split_at_commas_but_keep_their_suffix(listed: str | None, names: tuple[str, ...]) -> None:
    assert split_names(listed) == names
