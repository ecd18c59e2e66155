import numpy as np
import pytest

from embedding_studio.bench.learning.clicking import ClickedPages, click_rates, clicked, shuffled
from embedding_studio.bench.learning.labels import JUDGMENTS, WAYS

QUERIES, SHOWN = 150, 10


def shown(clicks: np.ndarray) -> ClickedPages:
    pages = [tuple(f"{query}-{place}" for place in range(SHOWN)) for query in range(QUERIES)]
    return ClickedPages([f"query {query}" for query in range(QUERIES)], pages, clicks)


@pytest.fixture(scope="module")
def relevant() -> np.ndarray:
    return np.random.default_rng(1).random((QUERIES, SHOWN)) < 0.4 / np.arange(1, SHOWN + 1)


@pytest.fixture(scope="module")
def pages(relevant: np.ndarray) -> ClickedPages:
    return shown(clicked(click_rates(relevant), 10, np.random.default_rng(0)))


@pytest.mark.parametrize("way", WAYS)
def test_only_what_was_clicked_is_learnt(way: str, pages: ClickedPages) -> None:
    weights = WAYS[way](pages)
    assert weights.shape == pages.counts.shape
    assert (weights >= 0).all()
    assert not weights[pages.counts == 0].any()


def test_judgments_are_purer_than_clicks(pages: ClickedPages, relevant: np.ndarray) -> None:
    purity = {name: float(way(pages)[relevant].sum() / way(pages).sum()) for name, way in WAYS.items()}
    assert purity[JUDGMENTS] > 0.8
    assert all(purity[JUDGMENTS] > 1.3 * purity[name] for name in ("all_clicked", "click_through", "over_expected"))


def test_of_shuffled_clicks_no_judgment_is_made(pages: ClickedPages) -> None:
    null = shown(shuffled(pages.clicks, np.random.default_rng(0)))
    assert not WAYS[JUDGMENTS](null).any()
    assert WAYS["all_clicked"](null).any()
