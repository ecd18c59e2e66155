"""The SQL of one memory's tables; values are bound, names are of our own catalog."""

__all__ = ["NEAREST", "near", "silence", "table_of_clicks", "table_of_queries"]

NEAREST = 16
"""Queries nearest to the one that is asked whose clicks count, at most; beside them, a user's own last ones."""

_OWN = 256
"""Last clicks of the user who asks that are looked at."""

_SPEAKERS = 32
"""Users whose clicks on an item after one query count, at most: those whose last click is the newest."""

_UNITS = float(2**30)
"""Terms are whole numbers of these units: their sums are exact, and so the same in any order."""


def table_of_queries(memory: int) -> str:
    """The name of the table of a memory's queries."""
    return f'"memory_queries_{memory:d}"'


def table_of_clicks(memory: int) -> str:
    """The name of the table of a memory's clicks."""
    return f'"memory_clicks_{memory:d}"'


def near(memory: int, dimensions: int, *, users: int, as_of_revision: bool) -> str:
    """What is known of items after queries near a vector, and the memory's revision.

    Parameters: $1 the vector, of length 1, $2 who asks, $3 now, $4 the threshold, $5 half-life in seconds, $6 what one
    user adds at most, and $7 the revision to look at, if it is not the last. A row counts for those who are not its
    user as long as it speaks for its user. Of an item's users the strongest `users` - 1 do not count.
    """
    queries, clicks = table_of_queries(memory), table_of_clicks(memory)
    asked = f"$1::vector::halfvec({dimensions:d})"
    known = "c.revision <= $7::bigint" if as_of_revision else "true"
    speaks = "(c.silenced IS NULL OR c.silenced > $7::bigint)" if as_of_revision else "c.silenced IS NULL"
    return f"""
        WITH near AS MATERIALIZED (
            SELECT id, 1 - (embedding <=> {asked}) AS cosine FROM {queries} ORDER BY embedding <=> {asked}
            LIMIT {NEAREST:d}
        ), mine AS MATERIALIZED (
            SELECT query_id, item_id, weight, at FROM {clicks} c WHERE user_id = $2::text AND {known}
            ORDER BY session_id DESC, item_id DESC LIMIT {_OWN:d}
        ), heard AS (
            SELECT c.item_id, c.user_id, false AS own, c.weight, c.at, n.cosine
            FROM near n JOIN {clicks} c ON c.query_id = n.id AND {speaks} AND {known}
            WHERE n.cosine > $4::float8 AND (c.user_id = $2::text) IS NOT TRUE
            UNION ALL
            SELECT m.item_id, $2::text, true, m.weight, m.at, 1 - (q.embedding <=> {asked})
            FROM mine m JOIN {queries} q ON q.id = m.query_id
            WHERE 1 - (q.embedding <=> {asked}) > $4::float8
        ), term AS (
            SELECT item_id, user_id, own, round({_UNITS!r}::float8 * weight
                * least(1::float8, (cosine - $4::float8) / (1 - $4::float8))
                * power(2::float8, -greatest(0::float8, extract(epoch FROM $3::timestamptz - at)::float8 / $5::float8))
            ) AS units FROM heard
        ), sums AS (
            SELECT item_id, own, sum(greatest(units, 0)) AS up, sum(greatest(-units, 0)) AS down FROM term
            GROUP BY item_id, user_id, own
        ), strength AS (
            SELECT item_id,
                coalesce(sum(up) FILTER (WHERE own), 0) / {_UNITS!r}::float8 AS own_up,
                coalesce(sum(down) FILTER (WHERE own), 0) / {_UNITS!r}::float8 AS own_down,
                {_of_others("up", users)} / {_UNITS!r}::float8 AS up,
                {_of_others("down", users)} / {_UNITS!r}::float8 AS down,
                {_voices("up", users)} + {_voices("down", users)} AS voices
            FROM sums GROUP BY item_id
        )
        SELECT (SELECT revision FROM memories WHERE id = {memory:d}) AS revision, strength.*
        FROM strength WHERE own_up > 0 OR own_down > 0 OR voices > 0
    """


def _of_others(column: str, users: int) -> str:
    """The sum of other users' voices without the strongest `users` - 1: where that is one, no voices are sorted."""
    voice = f"least({column}, $6::float8 * {_UNITS!r}::float8)"
    if users > 2:  # noqa: PLR2004  # the strongest two, or more
        voices = f"unnest(array_agg({voice}) FILTER (WHERE NOT own)) AS voice"
        weaker = f"SELECT voice FROM {voices} ORDER BY voice DESC OFFSET {users - 1:d}"
        return f"coalesce((SELECT sum(voice) FROM ({weaker}) weaker), 0)"
    strongest = f" - max({voice}) FILTER (WHERE NOT own)" if users == 2 else ""  # noqa: PLR2004  # the strongest
    return f"coalesce(sum({voice}) FILTER (WHERE NOT own){strongest}, 0)"


def _voices(column: str, users: int) -> str:
    return f"greatest(0, count(*) FILTER (WHERE NOT own AND {column} > 0) - {max(0, users - 1):d})"


def silence(memory: int) -> str:
    """Settle which rows speak for users with names, for pairs $1 of queries and $2 of items, as of revision $3."""
    clicks = table_of_clicks(memory)
    return f"""
        WITH pair AS (SELECT DISTINCT * FROM unnest($1::bigint[], $2::text[]) AS pair (query_id, item_id)),
        latest AS (
            SELECT c.session_id, c.item_id, c.query_id, c.at, c.silenced, row_number() OVER (
                PARTITION BY c.query_id, c.item_id, c.user_id ORDER BY c.at DESC, c.session_id DESC
            ) = 1 AND c.user_id IS NOT NULL AS is_latest
            FROM {clicks} c JOIN pair USING (query_id, item_id)
        ), ranked AS (
            SELECT *, is_latest AND row_number() OVER (
                PARTITION BY query_id, item_id, is_latest ORDER BY at DESC, session_id DESC
            ) <= {_SPEAKERS:d} AS speaks
            FROM latest
        )
        UPDATE {clicks} c SET silenced = CASE WHEN r.speaks THEN NULL ELSE $3::bigint END FROM ranked r
        WHERE c.session_id = r.session_id AND c.item_id = r.item_id AND (r.silenced IS NULL) <> r.speaks
    """
