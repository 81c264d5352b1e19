"""first sale

Runs under a 5 s lock time-out (env.py). One migration a commit; keep it compatible with the version before it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMAS = ("flashsale", "queueing", "rewards", "ops")


def upgrade() -> None:
    for schema in SCHEMAS:
        op.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    op.create_table(
        "items",
        sa.Column("sale_id", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("taken", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("per_user_limit", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("texts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("per_user_limit >= 1 AND price_minor >= 0", name=op.f("ck_items_sane")),
        sa.CheckConstraint("taken >= 0 AND taken <= total", name=op.f("ck_items_never_oversold")),
        sa.PrimaryKeyConstraint("sale_id", "sku", name=op.f("pk_items")),
        schema="flashsale",
    )
    op.create_table(
        "outbox",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("relayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deliveries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_outbox")),
        schema="flashsale",
    )
    op.create_index(
        "ix_outbox_undone",
        "outbox",
        ["sequence"],
        unique=False,
        schema="flashsale",
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_table(
        "payment_notices",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_payment_notices")),
        schema="flashsale",
    )
    op.create_index(
        op.f("ix_payment_notices_payment_id"),
        "payment_notices",
        ["payment_id"],
        unique=False,
        schema="flashsale",
    )
    op.create_table(
        "payments",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("reservation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("serves", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refunded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refund_ring_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('created','paid','refused','refund_due','refunded')", name=op.f("ck_payments_state")
        ),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_payments")),
        schema="flashsale",
    )
    op.create_index(
        "ix_payments_refund_due",
        "payments",
        ["refund_ring_at"],
        unique=False,
        schema="flashsale",
        postgresql_where=sa.text("state = 'refund_due'"),
    )
    op.create_index(
        op.f("ix_payments_reservation_id"), "payments", ["reservation_id"], unique=False, schema="flashsale"
    )
    op.create_index(
        "uq_payments_live",
        "payments",
        ["reservation_id"],
        unique=True,
        schema="flashsale",
        postgresql_where=sa.text("state IN ('created','paid')"),
    )
    op.create_table(
        "reservations",
        sa.Column("reservation_id", sa.Uuid(), nullable=False),
        sa.Column("sale_id", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("held_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("request_fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("admission_id", sa.Uuid(), nullable=False),
        sa.Column("admission_position", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("regrant_of", sa.Uuid(), nullable=True),
        sa.CheckConstraint("(state = 'held') = (ended_at IS NULL)", name=op.f("ck_reservations_ended_once")),
        sa.CheckConstraint(
            "state IN ('held','confirmed','released','expired')", name=op.f("ck_reservations_state")
        ),
        sa.CheckConstraint("quantity >= 1 AND amount_minor >= 0", name=op.f("ck_reservations_sane")),
        sa.PrimaryKeyConstraint("reservation_id", name=op.f("pk_reservations")),
        sa.UniqueConstraint("regrant_of", name=op.f("uq_reservations_regrant_of")),
        sa.UniqueConstraint(
            "sale_id",
            "user_id",
            "idempotency_key",
            name=op.f("uq_reservations_sale_id_user_id_idempotency_key"),
        ),
        schema="flashsale",
    )
    op.create_index(
        "ix_reservations_due",
        "reservations",
        ["expires_at"],
        unique=False,
        schema="flashsale",
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_index(
        "ix_reservations_item",
        "reservations",
        ["sale_id", "sku"],
        unique=False,
        schema="flashsale",
        postgresql_where=sa.text("state IN ('held','confirmed')"),
    )
    op.create_index(
        "ix_reservations_owner",
        "reservations",
        ["user_id", "sale_id", "sku"],
        unique=False,
        schema="flashsale",
    )
    op.create_table(
        "sales",
        sa.Column("sale_id", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.Text(), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hold_seconds", sa.Integer(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("texts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("shown_rules", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("closes_at > opens_at", name=op.f("ck_sales_window")),
        sa.CheckConstraint("hold_seconds BETWEEN 5 AND 86400", name=op.f("ck_sales_hold")),
        sa.PrimaryKeyConstraint("sale_id", name=op.f("pk_sales")),
        schema="flashsale",
    )
    op.create_table(
        "rooms",
        sa.Column("sale_id", sa.Text(), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rate_per_second", sa.Integer(), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("frontier", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("position_mark", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("epoch", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("frontier >= 0 AND position_mark >= 0", name=op.f("ck_rooms_forward")),
        sa.CheckConstraint("rate_per_second BETWEEN 1 AND 1000000", name=op.f("ck_rooms_rate")),
        sa.PrimaryKeyConstraint("sale_id", name=op.f("pk_rooms")),
        schema="queueing",
    )
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "kind = 'funding' OR balance_minor >= 0", name=op.f("ck_accounts_never_below_zero")
        ),
        sa.CheckConstraint("kind IN ('funding','budget','promised','paid')", name=op.f("ck_accounts_kind")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_accounts")),
        schema="rewards",
    )
    op.create_table(
        "attempts",
        sa.Column("payout_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("provider_key", sa.Text(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("provider_reference", sa.Text(), nullable=True),
        sa.Column("decline_reason", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("outcome IN ('unknown','paid','declined')", name=op.f("ck_attempts_outcome")),
        sa.CheckConstraint("number >= 1", name=op.f("ck_attempts_number")),
        sa.PrimaryKeyConstraint("payout_id", "number", name=op.f("pk_attempts")),
        sa.UniqueConstraint("provider_key", name=op.f("uq_attempts_provider_key")),
        schema="rewards",
    )
    op.create_index(
        "uq_attempts_paid",
        "attempts",
        ["payout_id"],
        unique=True,
        schema="rewards",
        postgresql_where=sa.text("outcome = 'paid'"),
    )
    op.create_table(
        "grants",
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("sale_id", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("reservation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('promised','paid','blocked')", name=op.f("ck_grants_state")),
        sa.PrimaryKeyConstraint("grant_id", name=op.f("pk_grants")),
        sa.UniqueConstraint("rule_id", "reservation_id", name=op.f("uq_grants_rule_id_reservation_id")),
        schema="rewards",
    )
    op.create_index(
        op.f("ix_grants_reservation_id"), "grants", ["reservation_id"], unique=False, schema="rewards"
    )
    op.create_index("ix_grants_user", "grants", ["user_id"], unique=False, schema="rewards")
    op.create_table(
        "payout_notices",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("provider_key", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_payout_notices")),
        schema="rewards",
    )
    op.create_table(
        "payouts",
        sa.Column("payout_id", sa.Uuid(), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("ring_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('due','paid','blocked')", name=op.f("ck_payouts_state")),
        sa.PrimaryKeyConstraint("payout_id", name=op.f("pk_payouts")),
        sa.UniqueConstraint("grant_id", name=op.f("uq_payouts_grant_id")),
        schema="rewards",
    )
    op.create_index(
        "ix_payouts_due",
        "payouts",
        ["ring_at"],
        unique=False,
        schema="rewards",
        postgresql_where=sa.text("state = 'due'"),
    )
    op.create_table(
        "rules",
        sa.Column("sale_id", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("coupon_code", sa.Text(), nullable=True),
        sa.Column("first_n", sa.Integer(), nullable=True),
        sa.Column("budget_minor", sa.BigInteger(), nullable=False),
        sa.Column("granted", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("kind IN ('points','coupon','cash')", name=op.f("ck_rules_kind")),
        sa.CheckConstraint("amount_minor >= 1", name=op.f("ck_rules_amount")),
        sa.CheckConstraint(
            "granted >= 0 AND (first_n IS NULL OR granted <= first_n)",
            name=op.f("ck_rules_never_over_granted"),
        ),
        sa.PrimaryKeyConstraint("sale_id", "rule_id", name=op.f("pk_rules")),
        schema="rewards",
    )
    op.create_table(
        "transfers",
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("debit_account", sa.Text(), nullable=False),
        sa.Column("credit_account", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_transfers_amount")),
        sa.CheckConstraint("debit_account <> credit_account", name=op.f("ck_transfers_two_sides")),
        sa.PrimaryKeyConstraint("transfer_id", name=op.f("pk_transfers")),
        sa.UniqueConstraint("reason", "subject", name=op.f("uq_transfers_reason_subject")),
        schema="rewards",
    )
    op.create_index(
        op.f("ix_transfers_credit_account"), "transfers", ["credit_account"], unique=False, schema="rewards"
    )
    op.create_index(
        op.f("ix_transfers_debit_account"), "transfers", ["debit_account"], unique=False, schema="rewards"
    )
    op.create_table(
        "audit",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_audit")),
        schema="ops",
    )
    op.create_index("ix_audit_subject", "audit", ["subject"], unique=False, schema="ops")
    op.create_table(
        "duties",
        sa.Column("duty", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("leader", sa.Text(), nullable=False),
        sa.Column("led_since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("duty", name=op.f("pk_duties")),
        schema="ops",
    )

    # The ledger only grows: a mistake is corrected by a new transfer, never by changing one.
    op.execute(
        """
        CREATE FUNCTION rewards.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'rewards.transfers is append-only: correct a transfer with a new one';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rewards.transfers "
        "FOR EACH STATEMENT EXECUTE FUNCTION rewards.refuse_change()"
    )


def downgrade() -> None:
    for schema in SCHEMAS:
        op.execute(f"DROP SCHEMA {schema} CASCADE")
