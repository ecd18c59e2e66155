"""The page of the API at /schema: Swagger UI, whose files are pinned by their hashes."""

import base64
import hashlib
from typing import Any

from litestar import Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

__all__ = ["PAGE_POLICY", "ApiPage"]

_FILES = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5.35.0"
_SCRIPT, _STYLE = f"{_FILES}/swagger-ui-bundle.js", f"{_FILES}/swagger-ui.css"
_SCRIPT_HASH = "sha384-gjRm0bEPMeTmMh5jT2cHccIwCUZSTd8YC+j0d0sXw0MdGEfScduGpSyF3ZSSLkX9"
_STYLE_HASH = "sha384-WlYgdmXYOOBWL5apwjDEZwN+U3HmXSSu5R6V5aGxEcf7z+KuRNwBhoxKVN1i3D5I"
_START = """
SwaggerUIBundle({
  url: location.pathname.replace(/\\/+$/, "") + "/openapi.json",
  dom_id: "#page", deepLinking: true, persistAuthorization: false, validatorUrl: null,
});
"""
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Embedding Studio</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{_STYLE}" integrity="{_STYLE_HASH}" crossorigin="anonymous">
</head>
<body>
<div id="page"><p>The page needs scripts, and files from cdn.jsdelivr.net.
Without them there is the <a href="/schema/openapi.json">description of the API</a>.</p></div>
<script src="{_SCRIPT}" integrity="{_SCRIPT_HASH}" crossorigin="anonymous"></script>
<script>{_START}</script>
</body>
</html>
""".encode()


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


PAGE_POLICY = (
    f"default-src 'none'; script-src {_SCRIPT} '{_hash(_START)}'; style-src {_STYLE} 'unsafe-inline';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy under which the page works; Swagger UI sets inline styles on its elements."""


class ApiPage(OpenAPIRenderPlugin):
    """The page, which is the same for every request."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        """The page's HTML; the browser fetches the description by itself."""
        return _PAGE
