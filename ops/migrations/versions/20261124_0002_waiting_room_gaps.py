"""waiting room: what was issued, and the gaps that a loss of Redis left

Runs under a 5 s lock time-out (env.py). One migration a commit; keep it compatible with the version before it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "rooms",
        sa.Column("issued", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        schema="queueing",
    )
    op.add_column(
        "rooms",
        sa.Column(
            "gaps",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        schema="queueing",
    )


def downgrade() -> None:
    op.drop_column("rooms", "gaps", schema="queueing")
    op.drop_column("rooms", "issued", schema="queueing")
