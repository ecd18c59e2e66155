"""The HTTP application: routers, dependencies, problems."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from operator import attrgetter
from typing import Annotated, Any

from litestar import Litestar, Request, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import HeaderParameter

from embedding_studio import __version__
from embedding_studio.access import Caller, open_to_all
from embedding_studio.access.http import AuditController, KeyController
from embedding_studio.api.auth import Door, guard
from embedding_studio.api.bodies import BoundedBodies, Held
from embedding_studio.api.crowding import limit_requests
from embedding_studio.api.deadline import limit_time
from embedding_studio.api.description import ApiDescription
from embedding_studio.api.headers import security_headers
from embedding_studio.api.health import HealthController
from embedding_studio.api.loopback import local_only
from embedding_studio.api.metrics import MetricsController
from embedding_studio.api.observing import observed
from embedding_studio.api.page import ApiPage
from embedding_studio.api.plugins import PluginController
from embedding_studio.api.problems import PROBLEM_HANDLERS, StrictRequest
from embedding_studio.bootstrap import Container, open_container
from embedding_studio.clickstream.http import ClickstreamController, ReportController, UbiController
from embedding_studio.experiments.http import ExperimentController
from embedding_studio.fine_tuning.http import FineTuningController, GateController, JudgmentController
from embedding_studio.improvement.http import MemoryController
from embedding_studio.inference.http import ModelController
from embedding_studio.infra.tracing import open_tracing
from embedding_studio.search.http import SearchController
from embedding_studio.settings import Settings
from embedding_studio.shadow.http import ShadowController
from embedding_studio.tasks import Idempotency
from embedding_studio.tasks.http import TaskController
from embedding_studio.upsertion.http import ContentController, ItemController
from embedding_studio.vector_store.http import CollectionController

__all__ = ["create_app"]


_CONTROLLERS = (
    HealthController,
    PluginController,
    CollectionController,
    ItemController,
    ContentController,
    SearchController,
    ClickstreamController,
    ReportController,
    UbiController,
    TaskController,
    FineTuningController,
    GateController,
    JudgmentController,
    ModelController,
    MemoryController,
    ExperimentController,
    ShadowController,
    KeyController,
    AuditController,
    MetricsController,
)
_SERVICES = (
    "audit",
    "catalog",
    "clickstream",
    "collections",
    "curating",
    "deployments",
    "embeddings",
    "event_doctor",
    "experiments",
    "fine_tuning",
    "forgetting",
    "gate_verifier",
    "improvement",
    "keys",
    "mirror",
    "models",
    "quality",
    "searches",
    "shadow",
    "tasks",
    "upsertion",
)


def create_app(settings: Settings) -> Litestar:
    """The application; connections open when it starts and close when it stops."""

    def container() -> Container:
        opened: Container = app.state.container
        return opened

    def door() -> Door:
        opened: Door = app.state.door
        return opened

    description = ApiDescription()
    app = Litestar(
        route_handlers=_CONTROLLERS,
        dependencies={
            "container": Provide(container, sync_to_thread=False),
            "idempotency": Provide(_idempotency),
            "caller": Provide(_caller),
            **{name: Provide(_service(container, name), sync_to_thread=False) for name in _SERVICES},
        },
        lifespan=[partial(_opened, settings)],
        request_class=StrictRequest,
        request_max_body_size=settings.api.max_body,
        exception_handlers=PROBLEM_HANDLERS,
        middleware=[
            limit_requests(settings.api.max_requests),
            *(() if settings.access.required else (local_only,)),
            guard(door),
            limit_time(settings.api.time_limit),
            partial(BoundedBodies, held=Held(settings.api.max_bodies)),
        ],
        openapi_config=_openapi(description),
        plugins=[description],
        cors_config=_cors(settings.api.cors_origins),
        before_send=[security_headers(hsts=settings.api.hsts)],
        logging_config=None,
        signature_types=[],
    )
    app.asgi_handler = observed(app.asgi_handler)
    return app


@asynccontextmanager
async def _opened(settings: Settings, app: Litestar) -> AsyncIterator[None]:
    with open_tracing(settings.tracing, service="embedding-studio-api"):
        async with open_container(settings) as container:
            app.state.container = container
            app.state.door = Door(
                keyring=container.keyring,
                rates=container.rates,
                audit=container.audit,
                required=settings.access.required,
            )
            yield


def _openapi(description: ApiDescription) -> OpenAPIConfig:
    return description.config(
        title="Embedding Studio",
        version=__version__,
        render_plugins=[ApiPage()],
        openapi_router=Router("/schema", route_handlers=[], include_in_schema=False, opt=open_to_all()),
        components=Components(security_schemes={"key": SecurityScheme(type="http", scheme="bearer")}),
        security=[{"key": []}],
    )


def _cors(origins: Sequence[str]) -> CORSConfig | None:
    """What pages of these origins may do; keys come in a header, so cookies are none of it."""
    if not origins:
        return None
    return CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-Request-ID"],
        expose_headers=["Retry-After", "X-Request-ID"],
        allow_credentials=False,
    )


def _service(container: Callable[[], Container], name: str) -> Callable[[], Any]:
    """A provider without parameters, which Litestar calls without parsing any."""
    read = attrgetter(name)

    def provide() -> Any:
        return read(container())

    return provide


async def _caller(request: Request[Any, Any, State]) -> Caller:
    caller: Caller = request.auth
    return caller


async def _idempotency(
    request: Request[Any, Any, State],
    key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,
) -> Idempotency | None:
    if key is None:
        return None
    return Idempotency(key, f"{request.method} {request.scope['path']}", await request.body())
