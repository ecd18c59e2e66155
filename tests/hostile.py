"""Strings that break what is careless: put together from attacks by a seeded grammar, and mutated."""

import random
import unicodedata
from collections.abc import Callable, Iterator

__all__ = ["hostile_strings"]

_ATTACKS = {
    "sql": [
        "' OR 1=1 --",
        "'; DROP TABLE collections; --",
        '"; DELETE FROM items_1; --',
        "1) UNION SELECT payload FROM items_1 --",
        "$1",
        "$$",
        "$body$; SELECT 1; $body$",
        "/*",
        "*/",
        "\\'; SELECT pg_sleep(10); --",
        "E'\\x27'",
        "' || (SELECT dsn FROM x) || '",
        "::regclass",
        "NULL",
        "COPY t TO PROGRAM 'id'",
        "{1,2}",
        "ARRAY[1]",
        '"a""b"',
        "U&'\\0041'",
    ],
    "tsquery": [
        "foo & !bar",
        "a <-> b",
        "a:*",
        "'a':1A,2B",
        "!!",
        "(",
        ")",
        "|",
        "&",
        "<2>",
        "a\\:b",
        '"open',
        "tab*",
        '"a"',
    ],
    "jsonpath": [
        "$.*",
        "$[*]",
        "$.a ? (@ > 1)",
        "strict $.**",
        "@.type()",
        '$."a"',
        "like_regex",
        "$[last]",
        "#>>'{}'",
        "a.b.c",
        "a..b",
        "0",
        "-1",
        "tags.0",
    ],
    "json": [
        '{"$ne": null}',
        '{"$where": "1"}',
        "$ref",
        "$id",
        "$oid",
        "_id",
        "__proto__",
        "[]",
        "{}",
        '"',
        "\\u0000",
        "\\ud800",
    ],
    "quoting": [
        "'",
        "''",
        '"',
        "`",
        "\\",
        "\\\\",
        "\\'",
        "\\n",
        "%27",
        "&quot;",
        "\u2019",
        "\uff07",
        "<script>alert(1)</script>",
    ],
    "controls": ["\0", "\x01", "\x1b[31m", "\r\n", "\t", "\x7f", "\x85", "\u2028", "\ufeff", "\u200b", "\u200d"],
    "surrogates": ["\ud800", "\udfff", "\udc00\ud800"],
    "scripts": [
        "\u202eevil\u202c",
        "שלום",
        "مرحبا",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\U0001f3f4\U000e0067\U000e0062",
        "漢字",
        "İıſß",
        "ﬁ",
        "e\u0301",
        "\u0344",
        "Å",
        "\U0010ffff",
        "\uffff",
        "Z͑ͫ̓ͪ̂ͫ̽͏̴̙",
    ],
    "formats": [
        "%s",
        "%n%n%n",
        "%(name)s",
        "{}",
        "{{}}",
        "{0.__class__}",
        "{name!r:>10}",
        "${HOME}",
        "#{7*7}",
        "{{7*7}}",
        "%d%%",
    ],
    "paths": [
        "../../etc/passwd",
        "..\\..\\win.ini",
        "/etc/passwd",
        "file:///etc/passwd",
        "..%2f..%2f",
        ".",
        "..",
        "//",
        "a/b",
    ],
    "patterns": ["(a+)+$", "(.*)*b", "[", "\\", "^(([a-z])+.)+$", "a{1,99999}", "(?R)", "\\p{", ".*", "?"],
    "numbers": [
        "1e999",
        "-0",
        "NaN",
        "Infinity",
        "9223372036854775808",
        "0x1f",
        "1_000",
        "٣",
        "1e-999",
        "00",
        "+1",
        " 1",
    ],
    "times": [
        "2026-01-31T12:00:00Z",
        "2026-02-30T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999-14:00",
        "2026-01-31T24:00:00Z",
        "2026-01-31T23:59:60Z",
        "2026-01-31t12:00:00+99:99",
        "2026-01-31 12:00:00z",
        "infinity",
        "now",
        "294277-01-01",
        "2026-01-31T12:00:00\u0660Z",
    ],
    "words": ["oak", "table", "the", "true", "null", "english", "simple", "hybrid", "asc", "halfvec", "id", "field"],
}
_KINDS = list(_ATTACKS)
_LONG = 20_000

Mutation = Callable[[random.Random, str], str]


def hostile_strings(count: int, *, seed: int) -> list[str]:
    """So many different strings, each attack by itself among them; the same ones for the same seed."""
    rng = random.Random(seed)
    found = dict.fromkeys(["", *(one for attacks in _ATTACKS.values() for one in attacks)])
    for one in _endless(rng):
        if len(found) >= count:
            return list(found)[:count]
        found.setdefault(one)
    raise AssertionError


def _endless(rng: random.Random) -> Iterator[str]:
    while True:
        pieces = [rng.choice(_ATTACKS[rng.choice(_KINDS)]) for _ in range(rng.choice((1, 2, 2, 3, 5)))]
        text = rng.choice(("", " ", ".", "'", "\\")).join(pieces)
        for mutate in rng.choices(_MUTATIONS, k=rng.choice((0, 1, 1, 2, 3))):
            text = mutate(rng, text)[:_LONG]
        yield _paired(text)


def _paired(text: str) -> str:
    """Two halves of a surrogate pair that have met are one character, as JSON reads them; others stay alone."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _insert(rng: random.Random, text: str) -> str:
    place = rng.randint(0, len(text))
    return text[:place] + chr(rng.choice((rng.randint(1, 255), rng.randint(256, 0x10FFFF)))) + text[place:]


def _cut(rng: random.Random, text: str) -> str:
    first, last = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
    return text[:first] + text[last:]


def _repeat(rng: random.Random, text: str) -> str:
    return text * rng.choice((2, 3, 3, 10, 40) if rng.random() > 0.02 else (1_000,))


def _normalise(rng: random.Random, text: str) -> str:
    forms = (unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD"))
    return rng.choice(list(forms))


def _swap(rng: random.Random, text: str) -> str:
    return rng.choice((text.upper(), text.lower(), text.swapcase(), text[::-1]))


def _wrap(rng: random.Random, text: str) -> str:
    before, after = rng.choice((("'", "'"), ('"', '"'), ("(", ")"), ("{", "}"), ("$q$", "$q$"), ("%", "%"), (" ", "*")))
    return before + text + after


def _double(rng: random.Random, text: str) -> str:
    sign = rng.choice(("'", '"', "\\", "$", "%"))
    return text.replace(sign, sign * 2)


_MUTATIONS: list[Mutation] = [_insert, _insert, _cut, _repeat, _normalise, _swap, _wrap, _double]
