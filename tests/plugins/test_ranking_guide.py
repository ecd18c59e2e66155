"""What docs/ranking.md shows works."""

import json
from typing import Any

import pytest

from documentation import ROOT, blocks_of
from embedding_studio.sdk import EmbeddingPlugin, NumberPhrases, SplitFilters
from embedding_studio.sdk.conformance import check
from embedding_studio.search.processing import process

BLOCKS = blocks_of(ROOT / "docs" / "ranking.md")


def run(block: str) -> dict[str, Any]:
    # A dataclass looks its module up by name.
    names: dict[str, Any] = {"__name__": __name__}
    exec(block, names)
    return names


EXAMPLES = [run(block.text) for block in BLOCKS if block.language == "python"]
PLUGINS: list[EmbeddingPlugin] = [names["plugin"] for names in EXAMPLES if "plugin" in names]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_the_plugins_conform(plugin: EmbeddingPlugin) -> None:
    check(plugin, payloads=[{}, {"title": "a", "sold": 5, "added_at": "2026-01-01", "stock": 3}])


def test_the_explanation_is_what_the_first_plugin_makes_of_the_query() -> None:
    shown = next(json.loads(block.text) for block in BLOCKS if block.language == "json")
    steps = process(PLUGINS[0].ranking.query, "sofa bed under $500 brand:acme").steps
    made = [
        {
            "processor": step.processor,
            "text": step.text,
            "expansions": list(step.expansions),
            "filters": [dict(tree) for tree in step.filters],
        }
        for step in steps
    ]
    assert made == shown["query"]


def test_words_of_another_language_are_read() -> None:
    preis: NumberPhrases = next(names["preis"] for names in EXAMPLES if "preis" in names)
    processed = process((SplitFilters((preis,)),), "Sofa von 100 bis 200 Euro")
    assert (processed.draft.text, processed.draft.filters) == ("Sofa", ({"field": "preis", "gte": 100, "lte": 200},))
