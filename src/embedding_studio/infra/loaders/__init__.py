"""Reading items from where they live: files, object stores, databases and the web.

`sdk.loading` holds the parts that build these readers.
"""

from embedding_studio.infra.loaders.records import Cursor, Loaded, Loader, LoadFailure

__all__ = ["Cursor", "LoadFailure", "Loaded", "Loader"]
