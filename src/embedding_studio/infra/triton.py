"""A Triton over gRPC: a few channels, deadlines, one more try on another channel, and models loaded on demand."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import cycle
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter, Histogram
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from embedding_studio.infra.tracing import carried, span
from embedding_studio.kernel.errors import InvalidError, UnavailableError

__all__ = ["TritonAbsentError", "TritonClient", "TritonSilentError"]

T = TypeVar("T")

_SECONDS = Histogram("embedding_studio_triton_seconds", "Seconds until Triton answered what it was asked to infer")
_FAILURES = Counter(
    "embedding_studio_triton_failures", "Requests that Triton did not answer, by gRPC's status", ("status",)
)
_RETRY_AFTER = 2
_FULL = "Exceeds maximum queue size"
_NO_ANSWER = {"StatusCode.UNAVAILABLE", "StatusCode.DEADLINE_EXCEEDED"}
_RECONNECTING: tuple[tuple[str, int | str], ...] = (
    ("grpc.use_local_subchannel_pool", 1),  # else channels to the same address share one connection
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 30_000),
)


class TritonAbsentError(UnavailableError):
    """A Triton, or the model in it, is not there; another one may be."""


class TritonSilentError(UnavailableError):
    """A Triton let the time for its answer pass."""


class TritonClient:
    """All errors are of the product's own tree; which of them a caller may retry is said by `retryable`."""

    def __init__(self, channels: list[InferenceServerClient], *, answer_within: float, load_within: float) -> None:
        self._channels = channels
        self._turns = cycle(channels)
        self._timeout = answer_within
        self._load_timeout = load_within

    @classmethod
    def to(
        cls, address: str, name: str, *, ssl: bool, channels: int, answer_within: float, load_within: float
    ) -> "TritonClient":
        """A client of one server; no connection is opened before the first call.

        Args:
            address: host:port of its gRPC service.
            name: That its certificate is for.
            ssl: Whether the connections are encrypted.
            channels: Connections that requests take turns on.
            answer_within: Seconds an inference may take, in Triton's queue and out.
            load_within: Seconds a model may take to load.
        """
        options = [*_RECONNECTING, *([("grpc.ssl_target_name_override", name)] if ssl else [])]
        clients = [InferenceServerClient(address, ssl=ssl, channel_args=options) for _ in range(channels)]
        return cls(clients, answer_within=answer_within, load_within=load_within)

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(*(channel.close() for channel in self._channels))

    async def infer(
        self, model: str, inputs: Mapping[str, NDArray[Any]], output: str, *, priority: int
    ) -> NDArray[np.float32]:
        """Run a model; where a channel fails, once more on another.

        Args:
            model: Its name; the version that its policy chooses.
            inputs: By name, each with the batch as its first axis.
            output: Name of what is wanted.
            priority: 1 goes first.

        Raises:
            TritonAbsentError: Triton, or the model in it, is not there.
            TritonSilentError: Its answer came too late.
            UnavailableError: Its queue is full.
            InvalidError: Triton does not take these inputs.
        """
        tensors = [_tensor(name, array) for name, array in inputs.items()]
        wanted = [InferRequestedOutput(output)]

        async def call(channel: InferenceServerClient) -> NDArray[np.float32]:
            with span("triton infer", "client", rpc__system="grpc", model=model), _SECONDS.time():
                result = await channel.infer(
                    model,
                    tensors,
                    outputs=wanted,
                    priority=priority,
                    client_timeout=self._timeout,
                    headers=carried() or None,
                )
            return np.asarray(result.as_numpy(output), np.float32)

        return await self._answered(call)

    async def is_live(self) -> None:
        """Return if Triton answers.

        Raises:
            UnavailableError: It does not.
        """
        await self._answered(lambda channel: channel.is_server_live(client_timeout=self._timeout))

    async def is_ready(self, model: str) -> bool:
        """Whether the model can be asked.

        Raises:
            UnavailableError: Triton does not answer.
        """
        ready: bool = await self._answered(lambda channel: channel.is_model_ready(model, client_timeout=self._timeout))
        return ready

    async def load(self, model: str) -> None:
        """Load a model of Triton's repository, or read it anew; what it served goes on until the new one is ready.

        Raises:
            UnavailableError: Triton does not answer, or cannot load the model.
        """
        await self._controlled(
            lambda channel: channel.load_model(model, client_timeout=self._load_timeout),
            f"Triton cannot load {model}",
        )

    async def unload(self, model: str) -> None:
        """Let go of a model once its requests under way are answered; one that is not loaded is no error.

        Raises:
            UnavailableError: Triton does not answer.
        """
        await self._controlled(
            lambda channel: channel.unload_model(model, client_timeout=self._load_timeout),
            f"Triton cannot unload {model}",
        )

    async def _controlled(self, call: Callable[[InferenceServerClient], Awaitable[Any]], failure: str) -> None:
        try:
            await self._tried(call)
        except InferenceServerException as error:
            ours = _as_ours(error)
            detail = ours.detail if error.status() in _NO_ANSWER else f"{failure}: {error.message()}"
            raise UnavailableError(detail, retry_after=_RETRY_AFTER) from error

    async def _answered(self, call: Callable[[InferenceServerClient], Awaitable[T]]) -> T:
        try:
            return await self._tried(call)
        except InferenceServerException as error:
            _FAILURES.labels(str(error.status() or "none").removeprefix("StatusCode.")).inc()
            raise _as_ours(error) from error

    async def _tried(self, call: Callable[[InferenceServerClient], Awaitable[T]]) -> T:
        """The answer, by another channel where the first is broken."""
        try:
            return await call(next(self._turns))
        except InferenceServerException as error:
            if not _is_broken_channel(error):
                raise
        return await call(next(self._turns))


def _tensor(name: str, array: NDArray[Any]) -> InferInput:
    tensor = InferInput(name, array.shape, np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array)
    return tensor


def _is_broken_channel(error: InferenceServerException) -> bool:
    return error.status() == "StatusCode.UNAVAILABLE" and _FULL not in str(error.message())


def _as_ours(error: InferenceServerException) -> UnavailableError | InvalidError:
    """What Triton says as an error of the product: its internals stay out of what clients read."""
    status, message = error.status(), str(error.message())
    match status:
        case "StatusCode.INVALID_ARGUMENT":
            return InvalidError(message)
        case "StatusCode.DEADLINE_EXCEEDED":
            return TritonSilentError("Triton did not answer in time", retry_after=_RETRY_AFTER)
        case "StatusCode.NOT_FOUND":
            return TritonAbsentError("the model is not loaded in Triton yet", retry_after=_RETRY_AFTER)
        case "StatusCode.UNAVAILABLE" if _FULL in message:
            return UnavailableError("too many texts wait in Triton", retry_after=_RETRY_AFTER)
        case _:
            return TritonAbsentError("Triton does not answer", retry_after=_RETRY_AFTER)
