"""The embedded profile: PostgreSQL with pgvector, MongoDB and Redis as child processes, on Linux."""

from dataclasses import dataclass, field
from pathlib import Path

from embedding_studio.infra.embedded.binaries import postgres_program
from embedding_studio.infra.embedded.children import Child, Supervisor
from embedding_studio.infra.embedded.data_dir import lock_data_dir
from embedding_studio.infra.embedded.guard import die_with_parent
from embedding_studio.infra.embedded.mongo import start_mongo
from embedding_studio.infra.embedded.ports import free_port, require_free_port
from embedding_studio.infra.embedded.postgres import start_postgres
from embedding_studio.infra.embedded.redis import start_redis
from embedding_studio.infra.embedded.server import Server
from embedding_studio.infra.embedded.triton import start_triton

__all__ = [
    "Child",
    "Server",
    "ServerUrls",
    "Supervisor",
    "die_with_parent",
    "free_port",
    "lock_data_dir",
    "postgres_program",
    "require_free_port",
    "start_servers",
    "start_triton",
]


@dataclass(frozen=True, slots=True)
class ServerUrls:
    """How clients reach the three servers; with passwords, which `repr` leaves out.

    Attributes:
        postgres: `postgresql://user:password@host:port/database`.
        mongo: `mongodb://host:port/database?options`.
        redis: `redis://:password@host:port/number`.
    """

    postgres: str = field(repr=False)
    mongo: str
    redis: str = field(repr=False)


def start_servers(supervisor: Supervisor, data_dir: Path, *, durable: bool = True) -> ServerUrls:
    """Start the three side by side and wait until all accept connections.

    Args:
        supervisor: Owner of the processes; what has started when an error is raised, it ends.
        data_dir: Where they keep their data and logs; held by `lock_data_dir`.
        durable: False trades safety from power cuts for speed; for tests.

    Raises:
        ConflictError: Servers of a killed run are still ending.
        UnavailableError: A program is missing or does not run here, or a server did not come up; the text says why.
    """
    folder = data_dir.resolve()
    mongo = start_mongo(supervisor, folder)
    redis = start_redis(supervisor, folder, durable=durable)
    postgres = start_postgres(supervisor, folder, durable=durable)
    return ServerUrls(postgres=postgres.url_when_ready(), mongo=mongo.url_when_ready(), redis=redis.url_when_ready())
