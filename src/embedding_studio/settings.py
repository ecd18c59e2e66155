"""All settings: groups owned by the contexts, environment over `config/<env>.toml` over defaults."""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from embedding_studio.access import KEY_VARIABLE, AccessSettings
from embedding_studio.clickstream import ClickstreamSettings
from embedding_studio.experiments import ExperimentSettings
from embedding_studio.fine_tuning import FineTuningSettings
from embedding_studio.inference import InferenceSettings
from embedding_studio.infra.jobs import RedisSettings
from embedding_studio.infra.metrics import MetricsSettings
from embedding_studio.infra.mongo import MongoSettings
from embedding_studio.infra.objects import ObjectSettings
from embedding_studio.infra.postgres import PostgresSettings
from embedding_studio.infra.shipped import shipped
from embedding_studio.infra.tracing import TracingSettings
from embedding_studio.kernel.errors import FieldError, InvalidError
from embedding_studio.shadow import ShadowSettings
from embedding_studio.tasks import TaskSettings
from embedding_studio.upsertion import UpsertionSettings
from embedding_studio.vector_store import VectorStoreSettings

__all__ = ["PREFIX", "ApiSettings", "LogSettings", "MlflowSettings", "Settings", "load_settings"]

PREFIX = "EMBEDDING_STUDIO_"
_NESTED = "__"
_ENVIRONMENT = f"{PREFIX}ENV"
_NO_SETTINGS = frozenset({_ENVIRONMENT, KEY_VARIABLE})


class ApiSettings(BaseModel):
    """Where the HTTP API listens and what it takes."""

    host: str = "127.0.0.1"
    port: int = Field(default=8400, ge=0, le=65535)
    max_body: int = Field(default=64_000_000, ge=1_000, description="bytes of a request's body")
    max_bodies: int = Field(
        default=512_000_000, ge=1_000, description="bytes of all requests' bodies of a process; more are answered 503"
    )
    max_requests: int = Field(default=1_000, ge=1, description="requests of a process at a time; more are answered 503")
    time_limit: float = Field(default=60.0, ge=1, le=3600, description="seconds a request may take, then 503")
    cors_origins: list[Annotated[str, Field(pattern=r"^(\*|https?://[^/\s,*]+)$")]] = Field(
        default_factory=list, description="origins whose pages may ask, such as https://shop.example.org; * for all"
    )
    hsts: int = Field(default=0, ge=0, description="seconds that browsers are told to insist on TLS; 0 where it is not")
    processes: int = Field(default=1, ge=1, le=64, description="that serve on the one address")
    drain_delay: float = Field(
        default=0.0, ge=0, le=300, description="seconds a process that is to stop goes on, so that balancers turn away"
    )
    linger: float = Field(
        default=1.0, ge=0, le=300, description="seconds that idle connections stay, each answer closing one"
    )
    drain_within: int = Field(default=10, ge=0, le=600, description="seconds that requests under way get to end")


class MlflowSettings(BaseModel):
    """Where training runs are logged."""

    tracking_uri: str = ""
    artifacts: str = ""


class LogSettings(BaseModel):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    as_json: bool = False


class Settings(BaseSettings):
    """The root of all settings.

    A value of a group comes from the environment as `EMBEDDING_STUDIO_<GROUP>__<NAME>`.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter=_NESTED, extra="forbid")

    data_dir: Path = Path("data")
    plugins: Path = Field(default_factory=lambda: shipped("plugins"))
    api: ApiSettings = Field(default_factory=ApiSettings)
    access: AccessSettings = Field(default_factory=AccessSettings)
    postgres: PostgresSettings
    mongo: MongoSettings
    redis: RedisSettings
    objects: ObjectSettings = Field(default_factory=ObjectSettings)
    tasks: TaskSettings = Field(default_factory=TaskSettings)
    vector_store: VectorStoreSettings = Field(default_factory=VectorStoreSettings)
    upsertion: UpsertionSettings = Field(default_factory=UpsertionSettings)
    clickstream: ClickstreamSettings = Field(default_factory=ClickstreamSettings)
    inference: InferenceSettings = Field(default_factory=InferenceSettings)
    experiments: ExperimentSettings = Field(default_factory=ExperimentSettings)
    fine_tuning: FineTuningSettings = Field(default_factory=FineTuningSettings)
    shadow: ShadowSettings = Field(default_factory=ShadowSettings)
    mlflow: MlflowSettings = Field(default_factory=MlflowSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)

    @model_validator(mode="after")
    def _place_in_data_dir(self) -> Self:
        folder = self.data_dir.resolve()
        if "folder" not in self.objects.model_fields_set:
            self.objects.folder = folder / "objects"
        if "encoders" not in self.inference.model_fields_set:
            self.inference.encoders = folder / "encoders"
        if "work" not in self.fine_tuning.model_fields_set:
            self.fine_tuning.work = folder / "training"
        self.mlflow.tracking_uri = self.mlflow.tracking_uri or f"sqlite:///{folder / 'mlflow.db'}"
        self.mlflow.artifacts = self.mlflow.artifacts or (folder / "mlruns").as_uri()
        return self

    @model_validator(mode="after")
    def _let_pages_in_by_keys_alone(self) -> Self:
        if self.api.cors_origins and not self.access.required:
            raise ValueError("api.cors_origins needs access.required: without keys no other page may ask")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic calls by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic calls by name
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments over environment over file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, _file())


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        InvalidError: A name is misspelt, a value is wrong or missing; names each.
    """
    in_environment = {
        name: name[len(PREFIX) :].lower().split(_NESTED)
        for name in os.environ
        if name.upper().startswith(PREFIX) and name.upper() not in _NO_SETTINGS
    }
    in_file = {f"{_file().name}: {'.'.join(path)}": path for path in _paths(_read_file())}
    unknown = sorted(name for name, path in {**in_environment, **in_file}.items() if not _is_known(path))
    if unknown:
        places = tuple(FieldError(name, "no such setting") for name in unknown)
        raise InvalidError(f"unknown settings: {', '.join(unknown)}", places)
    try:
        return Settings.model_validate({})
    except ValidationError as error:
        places = tuple(FieldError(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors())
        wrong = "; ".join(f"{place.field}: {place.message}" for place in places)
        raise InvalidError(f"wrong settings: {wrong}", places) from None


def _file() -> Path:
    return shipped("config") / f"{os.environ.get(_ENVIRONMENT, 'local')}.toml"


def _read_file() -> dict[str, Any]:
    try:
        return tomllib.loads(_file().read_text(encoding="utf-8"))
    except OSError:
        known = ", ".join(sorted(path.stem for path in _file().parent.glob("*.toml")))
        raise InvalidError.at(_ENVIRONMENT, f"no {_file().name} in the configuration; there are: {known}") from None
    except ValueError as error:
        raise InvalidError.at(_file().name, str(error)) from None


def _paths(table: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from ([name, *path] for path in _paths(value))
        else:
            yield [name]


def _is_known(path: Sequence[str]) -> bool:
    fields: Mapping[str, Any] = Settings.model_fields
    for depth, part in enumerate(path):
        if part not in fields:
            return False
        annotation = fields[part].annotation
        is_group = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        if not is_group:
            return depth == len(path) - 1
        fields = annotation.model_fields
    return True
