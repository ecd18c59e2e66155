import pytest

from embedding_studio.bench.search.floor import bare_sql


@pytest.mark.parametrize(
    ("expression", "kind", "ordered"),
    [
        ("embedding", "vector(3)", "embedding <=> $1::vector(3)"),
        ("((embedding)::halfvec(3))", "halfvec(3)", "((embedding)::halfvec(3)) <=> $1::vector(3)::halfvec(3)"),
    ],
)
def test_the_bare_query_orders_by_the_expression_of_the_index(expression: str, kind: str, ordered: str) -> None:
    assert bare_sql("parts_1_1", 3, expression=expression, kind=kind, operator="<=>") == (
        f"SELECT item_id, embedding <=> $1::vector(3) AS distance FROM parts_1_1 ORDER BY {ordered} LIMIT 10"
    )
