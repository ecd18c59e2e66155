"""Which paths a loader reads."""

import re
from dataclasses import dataclass, field
from functools import cached_property

from embedding_studio.infra.loaders.extra import loaders_extra

__all__ = ["Pattern"]


@dataclass(frozen=True)
class Pattern:
    """A glob over paths with `/`: `*` stays within a name, `**` spans any number of folders."""

    glob: str
    prefix: str = field(default="")

    def matches(self, path: str) -> bool:
        """Whether the whole path matches; a path that is not in its simplest form never does."""
        if not path.startswith(self.prefix) or any(name in ("", ".", "..") for name in path.split("/")):
            return False
        below = path[len(self.prefix) :].lstrip("/")
        return "\0" not in path and any(one.fullmatch(below) for one in self._expressions)

    @cached_property
    def _expressions(self) -> list[re.Pattern[str]]:
        with loaders_extra():
            from wcmatch import glob  # noqa: PLC0415  # of the extra `loaders`
        return [re.compile(one) for one in glob.translate(self.glob, flags=glob.GLOBSTAR | glob.FORCEUNIX)[0]]
