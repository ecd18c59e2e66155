"""Which models a process needs, and which it can do without."""

from embedding_studio.bootstrap import encoder_sources, model_sources
from embedding_studio.sdk import CrossEncoderRerank, EmbeddingPlugin, FieldBoost, FoundPlugin, PluginRegistry, Ranking

RERANK = CrossEncoderRerank(model="cross-encoder/tiny")


def registry(*plugins: EmbeddingPlugin) -> PluginRegistry:
    return PluginRegistry([FoundPlugin(one.name, one.version, "ok", "", one) for one in plugins])


def test_cross_encoders_are_exported_and_not_waited_for() -> None:
    ranking = Ranking(rankers=(FieldBoost(field="a"), RERANK))
    one = EmbeddingPlugin(name="one", ranking=ranking)
    plugins = registry(one, EmbeddingPlugin(name="two", encoder=None, ranking=ranking))
    assert one.encoder
    assert encoder_sources(plugins) == [one.encoder.build()]
    assert model_sources(plugins) == [one.encoder.build(), RERANK.build()]
