"""`python -m kit.embedded`: servers for a program that imports nothing of ours."""

import json
import os
import subprocess
import sys
from pathlib import Path

from redis import Redis

from kit.embedded.leftovers import works_in

NAMED = ("DATABASE_URL", "REDIS_QUEUE_URL", "REDIS_STOCK_URL", "REDIS_LIMITS_URL", "REDIS_BROKER_URL")


def test_it_tells_where_the_servers_are_and_stops_them_with_its_caller(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    # PostgreSQL is named, so that this test starts only what starts fast.
    environment = {name: value for name, value in os.environ.items() if name not in NAMED}
    process = subprocess.Popen(
        [sys.executable, "-m", "kit.embedded", "--folder", str(tmp_path)],
        env={**environment, "DATABASE_URL": "postgresql://somewhere/else"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert told["environment"].keys() == set(NAMED)
    assert told["environment"]["DATABASE_URL"] == "postgresql://somewhere/else"
    with Redis.from_url(told["environment"]["REDIS_STOCK_URL"]) as redis:
        assert redis.ping()
    pid = told["pids"]["redis"]
    assert works_in(pid, tmp_path / "redis")
    process.stdin.close()
    process.stdout.close()
    assert process.wait(20) == 0
    assert not works_in(pid, tmp_path / "redis")
