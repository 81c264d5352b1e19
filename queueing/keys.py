"""Redis keys of the waiting room (role `queue`). One hash tag a sale: all that is a sale's lives in one slot.

A waiting shopper is one field of a packed hash: an 8-byte digest and an integer, 14 to 16 bytes. The digest's other
bits choose one of 4096 hashes, so that up to four million shoppers a sale stay below `hash-max-ziplist-entries`
(1024 on the embedded server, two million at Redis's default of 512), where a hash is a packed list without pointers.
"""

import hashlib
from typing import Final

BUCKETS: Final = 4096
FIELD_BYTES: Final = 8

# The sales that have a room. Type: sorted set of sale ids by closing time in ms. TTL: none, a room leaves it a day
# after closing. Owner: queueing.upkeep.
ROOMS: Final = "queueing:rooms"


def room(sale_id: str) -> str:
    """The room's state. Type: hash (fields: see lua/load.lua). TTL: a week after closing. Owner: queueing.upkeep."""
    return f"q:{{{sale_id}}}:room"


def place(sale_id: str, user_id: str) -> tuple[str, bytes]:
    """The bucket of a user and the field in it.

    Type: hash of digest → position. TTL: a week after closing. Owner: lua/join.lua. Two users of one sale share a
    digest with a probability of 1 in 2^76 a pair; both would then hold one place, never an extra one.
    """
    digest = hashlib.blake2b(user_id.encode(), digest_size=FIELD_BYTES + 2, key=sale_id.encode()).digest()
    bucket = int.from_bytes(digest[:2], "big") % BUCKETS
    return f"q:{{{sale_id}}}:{bucket:03x}", digest[2:]
