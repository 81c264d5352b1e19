"""`python -m kit.embedded --folder DIR`: the servers of a run as one process, for programs that import nothing of ours.

Prints one JSON line {"environment": {variable: address}, "pids": {name: process id}} once they answer, and stops them
when it is told to end or its standard input closes.
"""

import argparse
import json
import signal
import sys
from pathlib import Path

from kit.embedded.servers import Servers
from kit.errors import StartRefused


def main() -> None:
    """Serves until SIGTERM, SIGINT or the end of standard input. Raises `StartRefused`."""
    parser = argparse.ArgumentParser(prog="python -m kit.embedded", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the servers keep their files")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs kept in the folder")
    parser.add_argument(
        "--clustered", action="store_true", help="a Redis Cluster, and PostgreSQL with a standby"
    )
    words = parser.parse_args()
    servers = Servers(words.folder, clustered=words.clustered, fresh=words.fresh)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    with servers as urls:
        told = {"environment": urls.as_environment(), "pids": servers.pids}
        print(json.dumps(told), flush=True)  # noqa: T201 - the one line that the caller waits for
        sys.stdin.read()


def _leave(_number: int, _frame: object) -> None:
    sys.exit(0)


if __name__ == "__main__":
    try:
        main()
    except StartRefused as refused:
        print(refused, file=sys.stderr)  # noqa: T201 - the one sentence for whoever started the process
        sys.exit(2)
