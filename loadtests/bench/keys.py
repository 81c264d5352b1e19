"""Every Redis key that the bench reads or that a baseline written here makes; nothing of it outlives a bench's servers."""


def classic_window(user_id: str) -> str:
    """Counter of a user's requests in this second, by baseline (c). TTL: one second."""
    return f"bench:window:{user_id}"


def nginx_stock(sale_id: str) -> str:
    """Hash {sku: units free}, of baseline (b); filled before a run, counted down by `claim.lua`."""
    return f"bench:{{{sale_id}}}:stock"


def nginx_buyers(sale_id: str) -> str:
    """Hash {user sku: units}, of baseline (b)."""
    return f"bench:{{{sale_id}}}:buyers"


def gateway_stock(sale_id: str, sku: str) -> str:
    """The gateway's own stock hash of an item in one bucket; read here, where no ledger is written, to see how many units
    were claimed."""
    return f"flashsale:{{{sale_id}:{sku}:0}}:stock"
