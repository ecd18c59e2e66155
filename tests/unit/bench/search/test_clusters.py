import numpy as np
import pytest

from embedding_studio.bench.search.clusters import GROUPS, Clusters

CLUSTERS = Clusters(10_000, dimensions=64)


def test_vectors_are_of_unit_length_and_have_six_decimals() -> None:
    assert CLUSTERS.vectors.shape == (10_000, 64)
    assert np.allclose(np.linalg.norm(CLUSTERS.vectors, axis=1), 1, atol=1e-4)
    assert np.allclose(CLUSTERS.vectors * 1e6, np.round(CLUSTERS.vectors * 1e6), atol=0.1)


def test_the_same_seed_gives_the_same_vectors() -> None:
    again, other = Clusters(10_000, dimensions=64), Clusters(10_000, dimensions=64, seed=9)
    assert np.array_equal(again.vectors, CLUSTERS.vectors)
    assert again.groups["r100"].tolist() == CLUSTERS.groups["r100"].tolist()
    assert not np.array_equal(other.vectors, CLUSTERS.vectors)


@pytest.mark.parametrize("many", GROUPS)
@pytest.mark.parametrize("kind", ["r", "c"])
def test_all_groups_of_a_field_are_of_one_size(kind: str, many: int) -> None:
    assert np.bincount(CLUSTERS.groups[f"{kind}{many}"], minlength=many).tolist() == [10_000 // many] * many


def test_a_query_is_near_to_its_own_cluster_and_far_from_the_others() -> None:
    queries, clusters = CLUSTERS.queries(50)
    cosines = queries @ CLUSTERS.vectors.T
    own = CLUSTERS.groups["c1000"] == clusters[:, None]
    assert cosines[own].mean() > cosines[~own].mean() + 0.3
    assert 0.4 < cosines[own].mean() < 0.8


def test_random_groups_have_nothing_to_do_with_the_clusters() -> None:
    together = np.corrcoef(CLUSTERS.groups["r100"], CLUSTERS.groups["c1000"])[0, 1]
    assert abs(together) < 0.05


def test_a_payload_has_a_title_and_every_group() -> None:
    payload = CLUSTERS.payload(7)
    assert payload["title"] == "item 7"
    assert payload.keys() == {"title", *(f"{kind}{many}" for kind in "rc" for many in GROUPS)}
    assert payload["c10"] == payload["c1000"] // 100
