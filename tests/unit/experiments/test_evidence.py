from embedding_studio.experiments import Arms, Moments, enough, enough_preference


def arms(clicked: int, sessions: int, *, by: int = 1) -> Arms:
    units = [(by, by)] * (clicked // by) + [(0, by)] * ((sessions - clicked) // by)
    return Arms(Moments.of(units), Moments.of(units))


def test_a_rate_needs_clicks_and_sessions_without_one() -> None:
    assert enough(arms(30, 1_000))
    assert not enough(arms(29, 1_000))
    assert not enough(arms(971, 1_000))


def test_many_clicks_of_one_user_are_one() -> None:
    assert not enough(arms(100, 1_000, by=20))
    assert enough(arms(600, 2_000, by=20))


def test_an_arm_of_a_handful_of_users_says_nothing() -> None:
    many = Moments.of([(3, 10)] * 200)
    assert not enough(Arms(many, Moments.of([(300, 1_000)] * 2)))
    assert not enough(Arms(Moments.of([(1, 1)]), many))
    assert enough(Arms(many, Moments.of([(30, 100)] * 20)))


def test_a_latency_has_no_sessions_without_one() -> None:
    units = [(4.0, 1.0), (5.0, 1.0)] * 16
    assert enough(Arms(Moments.of(units), Moments.of(units)))


def test_a_preference_needs_sessions_that_have_one() -> None:
    assert enough_preference(Moments.of([(1, 1)] * 20 + [(-1, 1)] * 40))
    assert not enough_preference(Moments.of([(1, 1)] * 20 + [(0, 1)] * 400))
    assert not enough_preference(Moments.of([(1, 1)] * 59))


def test_nothing_is_not_enough() -> None:
    nothing = Moments.made(0, [0, 0], [[0, 0], [0, 0]])
    assert not enough(Arms(nothing, nothing))
    assert not enough_preference(nothing)
