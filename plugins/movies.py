"""Films: the facts that people ask by first, then the people who made them."""

from embedding_studio.sdk import EmbeddingPlugin, Ranking, TextTemplate

plugin = EmbeddingPlugin(
    name="movies",
    text=TextTemplate(
        ("{genres}.", "{countries}, {year}.", "{title}.", "{cast}.", "{directors}.", "{oscars} Oscars."),
        most=4,
    ),
    ranking=Ranking(mode="vector"),
)
