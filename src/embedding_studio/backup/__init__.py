"""Backups of an installation: PostgreSQL, MongoDB and the objects, as one folder that is whole or refused.

Redis is not in it: it carries ids of tasks, whose truth is in MongoDB, and counts that are gone in minutes.
"""

from embedding_studio.backup.manifest import Manifest, read_manifest
from embedding_studio.backup.restoring import restore
from embedding_studio.backup.taking import take_backup

__all__ = ["Manifest", "read_manifest", "restore", "take_backup"]
