"""A process that runs the servers as `up` does, and data to find again in them."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import asyncpg
import psutil
import pymongo.errors
import pytest
import redis
from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

from embedding_studio.infra.embedded import ServerUrls

__all__ = ["PARENT", "Start", "Up", "read_all", "sql", "start_parent", "write_all"]

PARENT = Path(__file__).with_name("parent.py")


class Up:
    """The process once its servers are ready, and all processes below it, some of which come and go."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self.process = process
        line = process.stdout.readline()
        assert line, f"the servers did not start: {process.communicate(timeout=60)[1]}"
        self.urls = ServerUrls(**json.loads(line))
        self.below = self._living_below()

    def _living_below(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def below_named(self, name: str) -> psutil.Process:
        """The child, not a grandchild, whose program has this name."""
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if child in self.below and _name_of(child) == name)

    def users_below(self) -> set[str]:
        """Whose processes those below are."""
        users: set[str] = set()
        for process in self._living_below():
            with suppress(psutil.NoSuchProcess):
                users.add(process.username())
        return users

    def wait_for_another(self, name: str) -> None:
        """Wait until another process of this program has taken the place of the one that was killed."""
        deadline = time.monotonic() + 60
        while not any(
            _name_of(child) == name and child not in self.below for child in psutil.Process(self.process.pid).children()
        ):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        self.below += self._living_below()
        self._wait_until_all_answer()

    def _wait_until_all_answer(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                read_all(self.urls)
            except (OSError, asyncpg.PostgresError, pymongo.errors.PyMongoError, redis.RedisError):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return

    def end(self, number: signal.Signals) -> tuple[str, str]:
        """Send the signal to the parent, wait for it and all below it to be gone, and return what it said."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[str, str]:
        """Wait for the parent and all below it to be gone, and return what it said on both of its streams."""
        output, errors = self.process.communicate(timeout=60)
        _, alive = psutil.wait_procs(self.below, timeout=60)
        assert not alive
        return output, errors

    def kill(self) -> None:
        """Kill the parent and see all below it gone."""
        self.process.kill()
        psutil.wait_procs(self.below, timeout=60)

    def kill_all(self) -> None:
        """Kill every process at once: none has the time to see another die."""
        for process in (psutil.Process(self.process.pid), *self.below):
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        for process in self.below:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.end(signal.SIGKILL)


def _name_of(process: psutil.Process) -> str | None:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return None


class Start(Protocol):
    """Starts the servers on a folder, as another user or careless of power cuts if asked to."""

    def __call__(self, folder: Path, user: int | None = None, *, durable: bool = True) -> Up: ...


def start_parent(folder: Path, user: int | None = None, *, durable: bool = True) -> subprocess.Popen[str]:
    """Run `parent.py`."""
    sites = [path for path in sys.path if path.endswith(("site-packages", "src"))]
    return subprocess.Popen(
        [_interpreter_for(user), str(PARENT), str(folder), "durable" if durable else "careless", *sites],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )


def _interpreter_for(user: int | None) -> str:
    """This interpreter, or one of the system's of the same version if this one lies in a folder closed to the user."""
    if user is None or _may_read(sys.executable, user):
        return sys.executable
    version = f"python3.{sys.version_info.minor}"
    return shutil.which(version, path="/usr/bin:/usr/local/bin") or pytest.skip(
        f"no {version} that user {user} may run"
    )


def _may_read(path: str, user: int) -> bool:
    return (
        subprocess.run(["/usr/bin/test", "-r", path], user=user, group=user, extra_groups=[], check=False).returncode
        == 0
    )


def sql(url: str, *statements: str) -> object:
    """Run the statements on one connection, and return the first value of the last one's answer."""

    async def run() -> object:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            answers = [await connection.fetchval(statement) for statement in statements]
        finally:
            await connection.close()
        return answers[-1]

    return asyncio.run(run())


def write_all(urls: ServerUrls, word: str) -> None:
    """Leave a word in each of the three, as safe as each can make it."""
    sql(urls.postgres, "CREATE TABLE IF NOT EXISTS words (word text)", f"INSERT INTO words VALUES ('{word}')")
    with MongoClient[dict[str, str]](urls.mongo, serverSelectionTimeoutMS=10_000) as mongo:
        words = mongo.get_default_database().get_collection("words", write_concern=WriteConcern(j=True))
        words.insert_one({"word": word})
    with redis.Redis.from_url(urls.redis, socket_timeout=10) as client:
        client.sadd("words", word)


def read_all(urls: ServerUrls) -> tuple[list[str], list[str], list[str]]:
    """The words in PostgreSQL, MongoDB and Redis, each list sorted."""
    rows = sql(urls.postgres, "SELECT array_agg(word ORDER BY word) FROM words")
    assert isinstance(rows, list)
    with MongoClient[dict[str, str]](urls.mongo, serverSelectionTimeoutMS=10_000) as mongo:
        documents = sorted(document["word"] for document in mongo.get_default_database()["words"].find())
    with redis.Redis.from_url(urls.redis, socket_timeout=10, decode_responses=True) as client:
        return rows, documents, sorted(client.smembers("words"))
