"""Errors as RFC 9457 problem documents: the only table from our errors to HTTP."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, InternalServerException
from litestar.types import ExceptionHandlersMap

from embedding_studio.api.bodies import refuse_sprawling
from embedding_studio.infra.log import fact
from embedding_studio.infra.outages import OUTAGES, as_unavailable
from embedding_studio.kernel.errors import (
    ConflictError,
    FieldError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    RateLimitedError,
    StudioError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
)

__all__ = ["PROBLEM_HANDLERS", "PROBLEM_TYPE", "Problem", "StrictRequest", "status_of"]

logger = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"

_STATUS: Mapping[type[StudioError], HTTPStatus] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    InvalidError: HTTPStatus.BAD_REQUEST,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    RateLimitedError: HTTPStatus.TOO_MANY_REQUESTS,
    UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}


class Problem(msgspec.Struct, omit_defaults=True):
    """What went wrong, as `application/problem+json`."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] = []
    request_id: str | None = None


class StrictRequest(Request[Any, Any, State]):
    """Reads a JSON body straight into the handler's type: nothing is coerced, and what is wrong is named."""

    async def body(self) -> bytes:
        """The body.

        Raises:
            InvalidError: The client went away before it was whole: that is no error of ours.
        """
        try:
            return await super().body()
        except InternalServerException:  # Litestar's for that alone
            raise InvalidError("the client went away before the body was whole") from None

    async def json(self) -> Any:
        """The body as the handler's `data` wants it.

        Raises:
            HTTPException: 415, it is not said to be JSON. Browsers ask before they send that to another site.
            InvalidError: It is no JSON, or not of the type.
        """
        if self.content_type[0].lower() != "application/json":
            raise HTTPException("the body must be of the type application/json", status_code=415)
        field = self.route_handler.parsed_data_field
        body = await self.body()
        refuse_sprawling(body)
        try:
            return msgspec.json.decode(body, type=field.annotation if field else Any)
        except msgspec.ValidationError as error:
            place = FieldError.told_by(str(error))
            raise InvalidError(f"{place.field}: {place.message}" if place.field else place.message, (place,)) from None
        except UnicodeDecodeError:
            raise InvalidError.at("body", "is not UTF-8") from None
        except RecursionError:
            raise InvalidError.at("body", "is nested too deeply") from None
        except msgspec.DecodeError as error:
            raise InvalidError.at("body", f"is not JSON: {error}") from None


def status_of(error: StudioError) -> HTTPStatus:
    """How an error of ours is answered."""
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


def _respond(
    status: HTTPStatus,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response[Problem]:
    problem = Problem(
        type="about:blank",
        title=status.phrase,
        status=status,
        detail=detail,
        errors=[{"field": place.field, "message": place.message} for place in errors],
        request_id=fact("request_id"),
    )
    return Response(
        problem,
        status_code=status,
        media_type=PROBLEM_TYPE,
        headers=dict(headers or {}),
    )


def _studio_error(_request: Request[Any, Any, State], error: StudioError) -> Response[Problem]:
    status = status_of(error)
    errors = error.errors if isinstance(error, InvalidError) else ()
    return _respond(status, error.detail, errors=errors, headers=_headers(error))


def _headers(error: StudioError) -> Mapping[str, str]:
    if isinstance(error, UnavailableError | RateLimitedError):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, UnauthenticatedError):
        return {"WWW-Authenticate": 'Bearer realm="embedding-studio"'}
    return {}


def _outage(request: Request[Any, Any, State], error: Exception) -> Response[Problem]:
    unavailable = as_unavailable(error)
    logger.warning("%s: %s", unavailable.detail, error)
    return _studio_error(request, unavailable)


def _http_exception(request: Request[Any, Any, State], error: HTTPException) -> Response[Problem]:
    extra = error.extra if isinstance(error.extra, list) else []
    errors = [_parameter_error(one, request) for one in extra if one.get("key") not in request.path_params]
    return _respond(HTTPStatus(error.status_code), error.detail, errors=errors, headers=error.headers)


def _parameter_error(error: Mapping[str, Any], request: Request[Any, Any, State]) -> FieldError:
    """What is wrong with a parameter, by the name that clients know it by."""
    name = str(error.get("key", ""))
    if name == "data":
        return FieldError("body", "is required")
    field = request.route_handler.parsed_fn_signature.parameters.get(name)
    return FieldError(getattr(field and field.kwarg_definition, "name", None) or name, str(error.get("message", "")))


def _unexpected(request: Request[Any, Any, State], error: Exception) -> Response[Problem]:
    logger.error("%s %s failed", request.method, request.scope["path"], exc_info=error)
    return _respond(HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong on our side; the log has the details")


PROBLEM_HANDLERS: ExceptionHandlersMap = {
    StudioError: _studio_error,
    HTTPException: _http_exception,
    **dict.fromkeys(OUTAGES, _outage),
    Exception: _unexpected,
}
