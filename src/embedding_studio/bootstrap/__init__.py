"""The composition root: settings in, services out, everything closed in reverse order.

`databases` says what is stored, `plugins` which models are wanted, `resources` what a process is given. On these stand
the services in groups, each made of those below it: `tasks`, `store`, `learning`, `upsertion`, `deployment`,
`experiments`, `search`; `access` and `fine_tuning` beside them. `container` is all of them, and opens them.
"""

from embedding_studio.bootstrap.container import Container, open_container
from embedding_studio.bootstrap.databases import DOCUMENTS, QUEUES, migrate, require_migrated
from embedding_studio.bootstrap.plugins import encoder_sources, model_sources

__all__ = [
    "DOCUMENTS",
    "QUEUES",
    "Container",
    "encoder_sources",
    "migrate",
    "model_sources",
    "open_container",
    "require_migrated",
]
