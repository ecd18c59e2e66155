"""Starts the servers on a folder as `up` does, says their addresses as JSON, and waits.

Arguments: the folder, then folders to import from.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

sys.path[:0] = sys.argv[2:]

from embedding_studio.infra.embedded import Supervisor, lock_data_dir, start_servers  # noqa: E402 -- needs the path above
from embedding_studio.kernel.errors import StudioError  # noqa: E402 -- as above

try:
    with lock_data_dir(Path(sys.argv[1])), Supervisor() as supervisor:
        print(json.dumps(asdict(start_servers(supervisor, Path(sys.argv[1])))), flush=True)  # noqa: T201 -- read by the test
        print(supervisor.wait().name, flush=True)  # noqa: T201 -- read by the test
except StudioError as error:
    sys.exit(error.detail)
