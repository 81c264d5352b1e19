"""The ground every room stands on: settings, clock, ids, money, errors, stores, outbox, embedded servers.

Nothing here knows the business; nothing here connects at import.
"""
