"""Films: what people ask for, in the catalog's words."""

from embedding_studio.sdk import EmbeddingPlugin, TextTemplate

plugin = EmbeddingPlugin(
    name="movies",
    text=TextTemplate(
        (
            "{title} ({year}).",
            "{genres}.",
            "Directed by {director}.",
            "With {cast}.",
            "{countries}.",
            "{languages}.",
        ),
    ),
)
