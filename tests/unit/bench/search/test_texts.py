from embedding_studio.bench.search.texts import short_texts
from embedding_studio.demo.catalog import Film


def film(title: str, **facts: tuple[str, ...]) -> Film:
    known = {name: facts.get(name, ()) for name in ("genres", "directors", "writers", "cast", "languages", "countries")}
    return Film(id=title, title=title, year=1987, runtime=None, metacritic=None, oscars=0, **known)


def test_texts_are_short_and_distinct_and_what_nobody_knows_is_not_told() -> None:
    films = [film("Radio Days", genres=("Comedy", "Drama"), cast=("A", "B", "C", "D")), film("Alone")]
    assert list(short_texts(films)) == [
        "Radio Days (1987)",
        "Alone (1987)",
        "Comedy, Drama: Radio Days (1987)",
        "Radio Days (1987), with A, B, C",
        "A in Radio Days (1987)",
        "B in Radio Days (1987)",
        "C in Radio Days (1987)",
        "D in Radio Days (1987)",
    ]


def test_the_first_texts_are_spread_over_all_films() -> None:
    films = [film(f"Film {number}", genres=("Drama",)) for number in range(5)]
    assert [text.split(" (")[0] for text in list(short_texts(films))[:5]] == [one.title for one in films]
