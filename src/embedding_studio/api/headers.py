"""Headers that tell browsers what to refuse, on every answer."""

from collections.abc import Awaitable, Callable

from litestar.types import Message, Scope

from embedding_studio.api.page import PAGE_POLICY

__all__ = ["security_headers"]

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_POLICY = b"content-security-policy"
_DATA = (_POLICY, b"default-src 'none'; frame-ancestors 'none'")
_PAGE = (_POLICY, PAGE_POLICY.encode())
_HTML = b"text/html"


def security_headers(*, hsts: int) -> Callable[[Message, Scope], Awaitable[None]]:
    """A hook that adds them to an answer as it is sent, whoever made it.

    Args:
        hsts: Seconds for which browsers are told to come by TLS alone; 0: they are told nothing.
    """
    tls = ((b"strict-transport-security", f"max-age={hsts}".encode()),) if hsts else ()
    of_data, of_page = (*_ALWAYS, *tls, _DATA), (*_ALWAYS, *tls, _PAGE)

    async def add(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start":
            return
        headers = list(message["headers"])
        is_page = scope["path"].startswith("/schema") and any(
            name == b"content-type" and value.startswith(_HTML) for name, value in headers
        )
        message["headers"] = [*headers, *(of_page if is_page else of_data)]

    return add
