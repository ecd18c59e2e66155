"""Things for sale: prices and brands are read out of the query, the well-sold and the new come first among equals."""

from embedding_studio.sdk import (
    EmbeddingPlugin,
    Expand,
    FieldPrefix,
    FieldsText,
    NumberPhrases,
    PopularityBoost,
    Ranking,
    RecencyBoost,
    Rewrite,
    SplitFilters,
)

UNITS = ("$", "€", "usd", "eur", "dollars", "euros")

plugin = EmbeddingPlugin(
    name="shop",
    text=FieldsText(("title", "brand", "description")),
    fields={"price": "number", "brand": "keyword", "sold": "number", "added_at": "time"},
    ranking=Ranking(
        query=(
            SplitFilters((NumberPhrases("price", names=("price", "priced"), units=UNITS), FieldPrefix("brand"))),
            Rewrite({"sofa bed": "sleeper sofa", "tv": "television"}),
            Expand({"sofa": ("couch",), "couch": ("sofa",), "wardrobe": ("closet",)}),
        ),
        rankers=(
            PopularityBoost(field="sold", typical=100, cap=0.05),
            RecencyBoost(field="added_at", half_life_days=30, cap=0.05),
        ),
    ),
)
