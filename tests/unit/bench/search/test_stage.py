import json

import numpy as np

from embedding_studio.bench.search.stage import found_items, search_path, vector_query


def test_a_vector_is_told_with_its_six_decimals_and_no_more() -> None:
    body = vector_query(np.array([0.123456, -1], np.float32), limit=10)
    assert json.dumps(body) == '{"query": {"vector": [0.123456, -1.0]}, "limit": 10}'


def test_items_are_known_by_their_numbers_in_the_order_found() -> None:
    assert found_items(b'{"results": [{"id": "i7"}, {"id": "i0"}]}') == [7, 0]
    assert search_path("shop") == "/api/v1/collections/shop/search"
