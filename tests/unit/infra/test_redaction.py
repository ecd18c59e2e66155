"""Secrets do not reach the log."""

import json
import logging
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.infra.redaction import redact

KEY = "es_0123456789abcdef_" + "Zq9-_" * 8 + "abc"
SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"key {KEY} was used", "key es_0123456789abcdef_*** was used"),
        (f"postgresql://studio:{SECRET}@db:5432/x", "postgresql://studio:***@db:5432/x"),
        (f"rediss://:{SECRET}@cache:6379/0", "rediss://:***@cache:6379/0"),
        (f"mongodb://u:p@{SECRET}@a,b/?replicaSet=x", "mongodb://u:***@a,b/?replicaSet=x"),
        (f"mongodb://u:a/{SECRET}@a,b", "mongodb://u:***@a,b"),
        (f"Authorization: Bearer {SECRET}", "Authorization: ***"),
        (f"authorization: Digest username=x, response={SECRET}", "authorization: ***"),
        (f"[(b'authorization', b'Bearer {SECRET}')]", "[(b'authorization', b'Bearer ***')]"),
        (f"curl -H 'Authorization: Basic {SECRET}' url", "curl -H 'Authorization: ***' url"),
        (f"PASSWORD={SECRET} host=db", "PASSWORD=*** host=db"),
        (f"{{'password': '{SECRET}', 'user': 'u'}}", "{'password': '***', 'user': 'u'}"),
        (f"{{b'x-api-key': b'{SECRET}'}}", "{b'x-api-key': b'***'}"),
        (f"?access_key={SECRET}&x=1", "?access_key=***&x=1"),
        (f"EMBEDDING_STUDIO_S3__SECRET_KEY: {SECRET}", "EMBEDDING_STUDIO_S3__SECRET_KEY: ***"),
    ],
)
def test_what_is_secret_is_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v1/collections/shop/search failed",
        "127 tokens of at most 128; tokenizer: wordpiece",
        "http://localhost:8400/schema is open",
        "the key es_0123456789abcdef was revoked",
        "s3://bucket/path: at 12:30 it went",
        "",
    ],
)
def test_the_rest_is_shown(text: str) -> None:
    assert redact(text) == text


@given(st.text(), st.text(alphabet=st.characters(codec="ascii", categories=("L", "N")), min_size=12), st.text())
def test_a_password_in_a_url_is_hidden_wherever_it_stands(before: str, password: str, after: str) -> None:
    marked = f"Q{password}Q"
    shown = redact(f"{before} amqp://user:{marked}@host {after}")
    assert marked not in shown or marked in before or marked in after


@pytest.mark.parametrize("piece", ["://a:", "a", "es_0", "password=", "bearer ", "authorization:", "password"])
def test_long_lines_take_no_quadratic_time(piece: str) -> None:
    def seconds(length: int) -> float:
        """The least of three, of this thread alone: garbage of other tests may be collected meanwhile."""
        text = piece * (length // len(piece))
        return min(once(text) for _ in range(3))

    def once(text: str) -> float:
        started = time.thread_time()
        redact(text)
        return time.thread_time() - started

    assert seconds(200_000) < 50 * max(seconds(20_000), 0.001)


PROGRAM = f"""
import logging, sys
from embedding_studio.infra.log import configure_logging
configure_logging(as_json=sys.argv[1] == "json")
log = logging.getLogger("embedding_studio.test")
log.info("connecting to %s", "postgresql://u:{SECRET}@db/x", extra={{"header": "Bearer {SECRET}"}})
try:
    raise OSError("no answer from redis://:{SECRET}@cache")
except OSError:
    log.exception("password={SECRET} was \\"refused\\"")
logging.getLogger("driver").warning("password=a\\\\b{SECRET}", stack_info=True)
"""


@pytest.mark.parametrize("form", ["json", "lines"])
def test_the_real_log_has_no_secret(form: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, form], capture_output=True, text=True, timeout=60, check=True)
    assert SECRET not in done.stderr
    assert "postgresql://u:***@db/x" in done.stderr
    assert "OSError: no answer from redis://:***@cache" in done.stderr
    if form == "json":
        events = [json.loads(line) for line in done.stderr.splitlines()]
        assert events[0]["message"] == "connecting to postgresql://u:***@db/x"
        assert events[0]["header"] == "Bearer ***"


def test_a_record_without_a_secret_is_unchanged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("embedding_studio.x").info("%d items", 3)
    assert caplog.messages == ["3 items"]
