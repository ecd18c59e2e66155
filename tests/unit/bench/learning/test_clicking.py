import numpy as np
import pytest

from embedding_studio.bench.learning.clicking import ClickedPages, click_rates, clicked, scattered, shuffled

RELEVANT = np.zeros((400, 5), bool)
RELEVANT[:, 1] = True


def test_clicks_fall_with_the_position_and_rise_with_relevance() -> None:
    rates = click_rates(RELEVANT)
    assert rates[0] == pytest.approx([0.1, 0.7 * 2**-0.7, 0.1 * 3**-0.7, 0.1 * 4**-0.7, 0.1 * 5**-0.7])
    clicks = clicked(rates, 10, np.random.default_rng(0))
    assert clicks.shape == (400, 10, 5)
    assert clicks.mean(axis=(0, 1)) == pytest.approx(rates[0], abs=0.02)


def test_null_worlds_keep_how_many_clicks_there_are() -> None:
    random = np.random.default_rng(0)
    relevant = np.zeros((400, 5), bool)
    relevant[:200, 0] = True
    clicks = clicked(click_rates(relevant), 10, random)
    swapped, thrown = shuffled(clicks, random), scattered(clicks, random)
    assert np.array_equal(swapped.sum(axis=(0, 1)), clicks.sum(axis=(0, 1)))
    assert abs(swapped[:200, :, 0].mean() - swapped[200:, :, 0].mean()) < 0.05
    assert thrown.mean() == pytest.approx(clicks.mean(), abs=0.01)
    assert np.ptp(thrown.mean(axis=(0, 1))) < 0.03


def test_pages_and_clicks_are_those_of_strangers() -> None:
    clicks = np.zeros((2, 3, 2), bool)
    clicks[1, 2, 0] = clicks[0, 0, 1] = True
    shown = ClickedPages(["sofa", "lamp"], [("a", "b"), ("c", "d")], clicks)
    assert shown.counts.tolist() == [[0, 1], [1, 0]]
    assert len({page.user for page in shown.pages()}) == 6
    found = {(click.query, click.item_id, click.position, click.session_id) for click in shown.all_clicks()}
    assert found == {("sofa", "b", 2, "s0-0"), ("lamp", "c", 1, "s1-2")}
