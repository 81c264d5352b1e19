"""Real servers on this machine for development, demos and tests, behind one interface with "use this URL instead".

`Servers` yields the five addresses that the processes read; an address that the environment names is used as it is
and no server is started for it.
"""

from kit.embedded.servers import Servers, ServerUrls

__all__ = ["ServerUrls", "Servers"]
