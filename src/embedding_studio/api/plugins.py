"""GET /plugins."""

from typing import Literal

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency

from embedding_studio.access import needs
from embedding_studio.bootstrap import Container

__all__ = ["PluginController", "PluginList", "PluginView"]


class PluginView(msgspec.Struct):
    """A plugin, or why it does not work."""

    name: str
    version: str
    status: Literal["ok", "broken"]
    detail: str


class PluginList(msgspec.Struct):
    """The plugins that were found at start."""

    items: list[PluginView]


class PluginController(Controller):
    """Plugins."""

    path = "/api/v1/plugins"
    tags = ("plugins",)
    opt = needs("admin", minds_grants=True)

    @get()
    async def list_plugins(self, container: NamedDependency[Container]) -> PluginList:
        """List the plugins that were found at start."""
        return PluginList(
            [PluginView(one.name, one.version, one.status, one.detail) for one in container.plugins.found],
        )
