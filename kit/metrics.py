"""What every process counts of the ground it stands on."""

from typing import Final

from prometheus_client import Counter, Gauge

KEYS: Final = Gauge("floodgate_identity_keys", "Public keys of the issuer that verify user tokens now")
KEY_FETCHES: Final = Counter(
    "floodgate_identity_key_fetches_total", "Fetches of the issuer's key document, by outcome", ["outcome"]
)
