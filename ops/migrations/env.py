"""Alembic's environment: one history for all rooms, run under an advisory lock so that two deploys cannot collide."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text

from flashsale.models import Base as Flashsale
from kit.engines import create_engine
from kit.settings import PostgresSettings
from ops.models import Base as Ops
from queueing.models import Base as Queueing
from rewards.models import Base as Rewards

MIGRATION_LOCK = 0x466C6F6F64  # "Flood": any constant will do, as long as every deploy uses the same
METADATA = [Flashsale.metadata, Queueing.metadata, Rewards.metadata, Ops.metadata]
SCHEMAS = {"flashsale", "queueing", "rewards", "ops"}


def include_name(name: str | None, kind: str, parents: object) -> bool:
    """Only the rooms' schemas are ours to compare."""
    return name in SCHEMAS if kind == "schema" else True


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=METADATA, include_schemas=True, include_name=include_name
    )
    with context.begin_transaction():
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        context.run_migrations()


async def main() -> None:
    url = context.config.get_main_option("sqlalchemy.url")
    # Never by a pooler: a migration may take long, and its lock is a session's.
    engine = create_engine(
        PostgresSettings(database_url=url or PostgresSettings().direct_url, postgres_pooled=False)
    )
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
        await connection.commit()
    await engine.dispose()


asyncio.run(main())
