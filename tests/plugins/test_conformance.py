"""Every shipped plugin conforms, whatever the payload."""

import ast
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.clickstream import EventType
from embedding_studio.infra.shipped import shipped
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk import EmbeddingPlugin, EventGains, FieldsText, find_plugins
from embedding_studio.sdk.conformance import EVENT_TYPES, check

FILES = sorted(shipped("plugins").glob("*.py"))
PLUGINS = find_plugins(shipped("plugins")).working()
known = st.sampled_from(["title", "name", "text", "year", "genres", "countries", "cast", "directors", "oscars"])
names = known | st.text(max_size=5)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


def test_the_shipped_plugins_are_there() -> None:
    assert {plugin.name for plugin in PLUGINS} >= {"movies", "text", "vectors"}


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
@given(payload=st.dictionaries(names, values, max_size=6))
def test_a_plugin_conforms(plugin: EmbeddingPlugin, payload: dict[str, Any]) -> None:
    check(plugin, payloads=[payload])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_plugin_imports_the_sdk_alone_and_is_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert all(isinstance(node, ast.ImportFrom) and node.module == "embedding_studio.sdk" for node in imported)
    assert len(source.splitlines()) < 40


def test_gains_are_tried_with_every_type_of_event() -> None:
    assert set(EVENT_TYPES) == set(get_args(EventType))


def test_text_that_is_empty_does_not_conform() -> None:
    class Empty(FieldsText):
        def build(self) -> Any:
            return lambda _payload: [""]

    with pytest.raises(InvalidError, match="text"):
        check(EmbeddingPlugin(name="empty", text=Empty()), payloads=[{}])


def test_a_gain_out_of_range_does_not_conform() -> None:
    class Loud(EventGains):
        def build(self) -> Any:
            return lambda _kind, _value: 2.0

    with pytest.raises(InvalidError, match="training"):
        check(EmbeddingPlugin(name="loud", training=Loud()), payloads=[{}])
