"""Whether this machine and the object store can keep what they have to."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from embedding_studio.doctor.checks import Check, bad, ok, warn
from embedding_studio.infra.objects import Objects
from embedding_studio.kernel.ids import new_id

__all__ = ["check_disk", "check_objects", "judge_disk"]

_LITTLE, _TOO_LITTLE = 5 << 30, 1 << 30
_GB = 1 << 30
_FOLDER = "doctor"


def check_disk(data_dir: Path) -> list[Check]:
    """Look at the data folder."""
    place = next(path for path in (data_dir, *data_dir.absolute().parents) if path.exists())
    return list(judge_disk(data_dir, shutil.disk_usage(place).free, is_writable=os.access(place, os.W_OK | os.X_OK)))


def judge_disk(data_dir: Path, free: int, *, is_writable: bool) -> Iterator[Check]:
    """What is wrong, and what is not."""
    found, remedy = f"{free / _GB:.1f} GB free for {data_dir}", "give it a larger disk, or delete logs and old models"
    if free < _TOO_LITTLE:
        yield bad("disk", found, remedy)
    elif free < _LITTLE:
        yield warn("disk", found, remedy)
    else:
        yield ok("disk", found)
    if not is_writable:
        yield bad("disk", f"{data_dir} cannot be written by this user", "change its owner, or DATA_DIR")


async def check_objects(objects: Objects) -> list[Check]:
    """Write an object, read it and delete it again."""
    key = f"{_FOLDER}/{new_id()}/probe"
    await objects.put(key, b"probe")
    came_back = await objects.get(key) == b"probe"
    await objects.delete_folder(key.rpartition("/")[0])
    if not came_back:
        return [bad("objects", "what was written came back otherwise", "look at the object store's own health")]
    return [ok("objects", "in a bucket" if objects.is_shared else "in a folder of this machine")]
