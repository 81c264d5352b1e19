"""payments: when the provider is asked next what became of one, for a notice may be lost

New rows are asked for 15 s after they were made, whoever makes them: a version before this one knows nothing of it. Runs
under a 5 s lock time-out (env.py). One migration a commit; keep it compatible with the version before it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "payments", sa.Column("ask_at", sa.DateTime(timezone=True), nullable=True), schema="flashsale"
    )
    op.alter_column(
        "payments", "ask_at", server_default=sa.text("now() + interval '15 seconds'"), schema="flashsale"
    )
    op.execute(
        "UPDATE flashsale.payments SET ask_at = now() "
        "WHERE state = 'created' OR state = 'refused' AND reason = 'superseded'"
    )
    op.create_index(
        "ix_payments_ask_at",
        "payments",
        ["ask_at"],
        schema="flashsale",
        postgresql_where=sa.text("ask_at IS NOT NULL"),
    )
    op.create_index(
        "ix_payments_need_people",
        "payments",
        ["created_at"],
        schema="flashsale",
        postgresql_where=sa.text("reason = 'payment_needs_people'"),
    )


def downgrade() -> None:
    op.drop_index("ix_payments_need_people", table_name="payments", schema="flashsale")
    op.drop_index("ix_payments_ask_at", table_name="payments", schema="flashsale")
    op.drop_column("payments", "ask_at", schema="flashsale")
