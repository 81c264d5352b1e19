"""Who of the staff sits at this terminal, as audit rows name them."""

import getpass
import os


def terminal_user() -> str:
    """The name of the operating system's user; the number where there is no name for it (containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
