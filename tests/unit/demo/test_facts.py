from embedding_studio.demo.facts import Word, fact, words


def test_words_are_parted_by_commas_and_a_star_holds_one_out() -> None:
    assert words("scary, edge-of-your-seat, spooky*", "before") == (
        Word("scary", "before"),
        Word("edge-of-your-seat", "before"),
        Word("spooky", "before", held_out=True),
    )


def test_no_words_listed_are_no_words() -> None:
    assert words("", "noun") == ()


def test_a_fact_has_the_words_of_all_places() -> None:
    western = fact("western", lambda film: "Western" in film.genres, before="cowboy", noun="westerns", after="of old*")
    assert [(word.text, word.place, word.held_out) for word in western.words] == [
        ("cowboy", "before", False),
        ("westerns", "noun", False),
        ("of old", "after", True),
    ]
