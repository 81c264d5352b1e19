"""A neighbour that never rests: it takes an equal share of its core, so that a process beside it has less than a core."""

import sys


def main() -> None:
    sys.stdout.write("turning\n")
    sys.stdout.flush()
    while True:
        pass


if __name__ == "__main__":
    main()
