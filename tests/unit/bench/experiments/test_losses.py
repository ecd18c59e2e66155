from embedding_studio.bench.experiments.losses import alarm


def test_an_alarm_tells_when() -> None:
    assert alarm(0.5, 1_000, 0) is None
    units = alarm(0.3, 1_000, 0)
    assert units is not None
    assert 20 < units < 300
