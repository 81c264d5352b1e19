"""Every Redis key of the room (role `stock`). One hash tag a bucket: a script's keys stay on one node of a cluster, and the
buckets of a hot item spread over its nodes.

All three live until `KEEP_SECONDS` after the sale's end, written at each load by the repair, which owns them.
"""

from typing import Final

# Late payments and the books are settled by then; a key that outlives its sale would only be drift.
KEEP_SECONDS: Final = 7 * 86400


def stock(sale_id: str, sku: str, bucket: int) -> str:
    """Hash {available, epoch, load, open, until, run}: units free to claim under `epoch`. Loaded by the repair, counted
    down by claims; absent, without `open` or with the `run` of another server process means that Redis does not know
    and must not say yes."""
    return f"flashsale:{{{sale_id}:{sku}:{bucket}}}:stock"


def pending(sale_id: str, sku: str, bucket: int) -> str:
    """Hash {"user key": "reservation_id user units claimed_ms"}: claims whose commit has not been reported yet."""
    return f"flashsale:{{{sale_id}:{sku}:{bucket}}}:pending"


def buyers(sale_id: str, sku: str, bucket: int) -> str:
    """Hash {user: units held or bought}; 0 for who once had some, so that a repeat of an old key is recognised."""
    return f"flashsale:{{{sale_id}:{sku}:{bucket}}}:buyers"
