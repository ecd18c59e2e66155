"""The indexes on a collection's items that answer filters.

Those of the kind `gin` take new entries at once: the list of entries that wait, which is their default, would be read
from end to end by every query.
"""

from collections.abc import Mapping
from hashlib import sha256

from embedding_studio.sdk import FieldKind
from embedding_studio.vector_store.filters import parse_path

__all__ = ["definitions"]

_PAYLOAD = "USING gin (payload jsonb_path_ops) WITH (fastupdate = off)"
_ON_FIELD: Mapping[FieldKind, str] = {
    "keyword": 'USING btree ((payload_start(payload #> {path})) COLLATE "C")',
    "number": "USING btree (payload_number(payload #> {path}))",
    "time": "USING btree (payload_time(payload #> {path}))",
    "text": "USING gin (payload_words({language}::regconfig, payload #> {path})) WITH (fastupdate = off)",
}


def definitions(items_table: str, fields: Mapping[str, FieldKind], language: str) -> dict[str, str]:
    """What follows `CREATE INDEX name ON table`, by name; where that of a field changes, its name does.

    Args:
        items_table: Its name, quoted or not.
        fields: Dotted paths of the payload to what they hold.
        language: The text search configuration of the collection.
    """
    table = items_table.strip('"')
    indexes = {f"{table}_payload": _PAYLOAD}
    for field, kind in fields.items():
        path = ", ".join(_literal(name) for name in parse_path(field, "fields"))
        definition = _ON_FIELD[kind].format(path=f"ARRAY[{path}]", language=_literal(language))
        indexes[f"{table}_{kind}_{sha256(definition.encode()).hexdigest()[:12]}"] = definition
    return indexes


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
