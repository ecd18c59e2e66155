"""Starts the servers on a folder as `up` does, says their addresses as JSON, and waits.

Arguments: the folder, `durable` or `careless`, then folders to import from.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

sys.path[:0] = sys.argv[3:]

from embedding_studio.infra.embedded import Supervisor, lock_data_dir, start_servers  # noqa: E402 -- needs the path above
from embedding_studio.kernel.errors import StudioError  # noqa: E402 -- as above

try:
    folder, durable = Path(sys.argv[1]), sys.argv[2] == "durable"
    with lock_data_dir(folder), Supervisor() as supervisor:
        print(json.dumps(asdict(start_servers(supervisor, folder, durable=durable))), flush=True)  # noqa: T201 -- read by the test
        print(supervisor.wait(lambda text: print(text, file=sys.stderr)).name, flush=True)  # noqa: T201 -- read by the test
except StudioError as error:
    sys.exit(error.detail)
