"""A load generator that is faster than what it measures: keep-alive HTTP/1.1 on raw sockets, requests built beforehand."""
