"""`python -m ops`: the command line where the package's scripts are not on the PATH."""

from ops.cli import main

main()
