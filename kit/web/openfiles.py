"""As many open files as the system grants: a crowd of connections must not find the door out of numbers."""

import resource
from dataclasses import replace
from typing import Final

from kit.web.receipt import ReceiptBounds

OWN_FILES: Final = 256  # stores, logs, probes, the listener


def fitting(bounds: ReceiptBounds) -> ReceiptBounds:
    """Raises this process's soft limit as far as needed and allowed; the bounds that what was granted can hold."""
    granted, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = bounds.connections_max + OWN_FILES
    if granted == resource.RLIM_INFINITY or granted >= wanted:
        return bounds
    granted = wanted if highest == resource.RLIM_INFINITY else min(wanted, highest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (granted, highest))
    return replace(bounds, connections_max=max(1, min(bounds.connections_max, granted - OWN_FILES)))
