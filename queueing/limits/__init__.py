"""How much anybody may ask for: exact token buckets on Redis, many limits a request, all or nothing in one trip.

`Limits` (service) is what callers see; `LimitPolicy` and `Check` say what is limited; a `Decision` says what came of it.
"""
