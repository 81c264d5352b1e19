"""What tests allow a server of theirs: beside the whole sale that another test process runs, all of it takes seconds."""

from kit.settings import PostgresSettings


def patient(database_url: str) -> PostgresSettings:
    """Settings for a PostgreSQL that is not away, only slow: a connection that takes its time is no failure."""
    return PostgresSettings(
        database_url=database_url, postgres_connect_seconds=30, postgres_pool_wait_seconds=30
    )
