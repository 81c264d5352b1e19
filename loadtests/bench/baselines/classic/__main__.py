"""`python -m loadtests.bench.baselines.classic PORT`, on the same uvicorn as everything else."""

import sys

from loadtests.bench.baselines.classic.app import app
from loadtests.bench.baselines.empty import serve

if __name__ == "__main__":
    serve(int(sys.argv[1]), app, "on")
