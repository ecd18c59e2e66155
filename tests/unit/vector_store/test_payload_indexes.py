"""Indexes are named after what they hold, and their definitions quote what plugins declare."""

import pytest

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.vector_store.payload_indexes import definitions


def test_each_declared_field_has_an_index_beside_that_of_all() -> None:
    found = definitions('"items_1"', {"made.it's": "time"}, "english")
    assert next(iter(found)) == "items_1_payload"
    assert list(found.values()) == [
        "USING gin (payload jsonb_path_ops) WITH (fastupdate = off)",
        "USING btree (payload_time(payload #> ARRAY['made', 'it''s']))",
    ]


def test_a_new_language_makes_another_index() -> None:
    names = [set(definitions("items_1", {"a": "text", "b": "time"}, language)) for language in ("english", "german")]
    assert len(names[0] & names[1]) == 2
    assert len(names[0] | names[1]) == 4


def test_the_longest_names_of_fields_fit() -> None:
    names = definitions(f'"items_{2**63 - 1}"', {"ü" * 512: "keyword", "b.c": "keyword"}, "english")
    assert len(names) == 3
    assert all(len(name.encode()) <= 63 for name in names)


def test_a_field_that_is_no_path_is_refused() -> None:
    with pytest.raises(InvalidError):
        definitions("items_1", {"a..b": "number"}, "english")
