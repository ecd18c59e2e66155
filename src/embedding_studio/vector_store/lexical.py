"""Looking words up: a query's terms and their postings."""

import asyncio
import re
from dataclasses import dataclass

from embedding_studio.infra.postgres import Connection
from embedding_studio.vector_store.bm25 import Matches, Postings, score
from embedding_studio.vector_store.domain import Collection
from embedding_studio.vector_store.tables import parts_table, terms_table

__all__ = ["WordQuery", "find_matches", "items_with_phrases", "parse_words"]

_TERMS = 64
"""Terms of a query that are looked up, the rarest first: what is left out of a longer one hardly counts."""
_PREFIXES = 8
_PHRASES = 8
_IN_A_THREAD_FROM = 200_000
"""Bytes of postings whose scoring would hold the event loop up for longer than a change of threads does."""

_PHRASE = re.compile(r'(?<!\S)"([^"]+)"(?!\S)')
_PREFIX = re.compile(r"(?<!\S)(\w{2,64})\*(?!\S)")


@dataclass(frozen=True, slots=True)
class WordQuery:
    """What a query in words asks of the lexical index.

    Attributes:
        words: Any of them makes a part match; those of the phrases are among them.
        phrases: Word sequences that an item must have.
        prefixes: Beginnings of words, each of which stands for all words that begin so.
    """

    words: str
    phrases: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()


def parse_words(text: str) -> WordQuery:
    """Read a query: `"oak table"` is a phrase, `tab*` a prefix, all else words."""
    phrases = tuple(dict.fromkeys(_PHRASE.findall(text)))[:_PHRASES]
    prefixes = tuple(dict.fromkeys(_PREFIX.findall(text)))[:_PREFIXES]
    return WordQuery(_PREFIX.sub(" ", text), phrases, prefixes)


async def find_matches(connection: Connection, collection: Collection, query: WordQuery) -> Matches:
    """All parts with any of the words or prefixes, scored by BM25."""
    terms = terms_table(collection.id, collection.index_version)
    begun = (
        " UNION SELECT * FROM (SELECT DISTINCT t.term FROM unnest($3::text[]) prefix,"
        f" unnest(tsvector_to_array(words($1::text::regconfig, prefix))) stem JOIN {terms} t ON t.term ^@ stem"
        f" LIMIT {_TERMS:d}) begun"
    )
    rows = await connection.fetch(
        "WITH asked AS (SELECT unnest(tsvector_to_array(words($1::text::regconfig, $2))) AS term"
        f" UNION SELECT ''{begun if query.prefixes else ''}),"
        " counted AS (SELECT t.term, sum(t.parts)::bigint AS parts, sum(t.length)::bigint AS length"
        f" FROM asked JOIN {terms} t USING (term) GROUP BY t.term ORDER BY t.term <> '', 2 LIMIT {_TERMS + 1:d})"
        " SELECT c.term, c.parts, c.length,"
        f" (SELECT string_agg(t.postings, ''::bytea) FROM {terms} t WHERE t.term = c.term) AS postings FROM counted c",
        collection.language,
        query.words,
        *([list(query.prefixes)] if query.prefixes else []),
    )
    all_parts = next(((row["parts"], row["length"]) for row in rows if not row["term"]), (0, 0))
    found = [Postings(row["parts"], row["postings"]) for row in rows if row["term"]]
    if sum(len(one.data) for one in found) < _IN_A_THREAD_FROM:
        return score(found, parts=all_parts[0], length=all_parts[1])
    return await asyncio.to_thread(score, found, parts=all_parts[0], length=all_parts[1])


async def items_with_phrases(
    connection: Connection, collection: Collection, matches: Matches, phrases: tuple[str, ...], *, limit: int
) -> list[str]:
    """Ids of the items that have all of the phrases, each in one of its parts, among the best `limit` matches."""
    parts = parts_table(collection.id, collection.index_version)
    rows = await connection.fetch(
        f"SELECT p.item_id FROM unnest($1::bigint[]) k (key) JOIN {parts} p USING (key)"
        " CROSS JOIN unnest($2::text[]) WITH ORDINALITY AS f (phrase, n)"
        " WHERE words($3::text::regconfig, p.text) @@ phrase($3::text::regconfig, f.phrase)"
        " GROUP BY p.item_id HAVING count(DISTINCT f.n) = cardinality($2)",
        matches.best(limit).keys.tolist(),
        list(phrases),
        collection.language,
    )
    return [row["item_id"] for row in rows]
