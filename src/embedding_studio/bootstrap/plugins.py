"""The models that plugins name."""

from embedding_studio.sdk import CrossEncoderRerank, EncoderSource, PluginRegistry

__all__ = ["encoder_sources", "model_sources"]


def encoder_sources(plugins: PluginRegistry) -> list[EncoderSource]:
    """The encoders that the working plugins name, each once."""
    return list(dict.fromkeys(plugin.encoder.build() for plugin in plugins.working() if plugin.encoder))


def model_sources(plugins: PluginRegistry) -> list[EncoderSource]:
    """All that is to be exported: the encoders, and the cross-encoders, without which searches go on."""
    rankers = [ranker for plugin in plugins.working() for ranker in plugin.ranking.rankers]
    cross_encoders = [ranker.build() for ranker in rankers if isinstance(ranker, CrossEncoderRerank)]
    return list(dict.fromkeys([*encoder_sources(plugins), *cross_encoders]))
