"""Hooks of Schemathesis: most requests are about collections that there are."""

from typing import Any
from zlib import crc32

import schemathesis

__all__ = ["ONE_OF"]

ONE_OF = ("fuzzed-text", "fuzzed-vectors", "fuzzed-shop")
"""The collections that are there when the requests begin."""

_STRANGERS = 4
"""One name in so many stays what it was drawn as."""


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    if path_parameters and "name" in path_parameters and not _deletes(context):
        number = crc32(repr(path_parameters).encode("utf-8", "surrogatepass"))
        if number % _STRANGERS:
            path_parameters["name"] = ONE_OF[number % len(ONE_OF)]
    return path_parameters


def _deletes(context: Any) -> bool:
    operation = context.operation
    return bool(operation) and (operation.method.upper(), operation.path) == ("DELETE", "/api/v1/collections/{name}")
