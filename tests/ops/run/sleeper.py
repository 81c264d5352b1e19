"""A process for the supervisor to keep: it is ready at once, and ends when it is told to."""

import os
import signal
import sys

from kit.web.health import Health, HealthServer

if __name__ == "__main__":
    if "REFUSE" in os.environ:
        sys.stderr.write("The sleeper will not start: unset REFUSE.\n")
        sys.exit(2)
    health = Health()
    server = HealthServer(health, host="127.0.0.1", port=int(os.environ["HEALTH_PORT"]))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.start()
    health.started.set()
    signal.pause()
