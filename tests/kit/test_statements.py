"""Texts that PostgreSQL reads as arrays: every value stays itself, whatever it looks like."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from kit.ids import new_id
from kit.postgres import Postgres
from kit.statements import Statement, array_literal

ECHO = Statement(text("SELECT * FROM unnest(CAST(CAST(:values AS text) AS text[]))"))
UUIDS = Statement(text("SELECT * FROM unnest(CAST(CAST(:values AS text) AS uuid[]))"))


async def test_values_that_look_like_syntax_come_through_as_they_are(postgres: Postgres) -> None:
    values = [
        "",
        "a,b",
        '"',
        "\\",
        '\\"',
        "{}",
        "}",
        "NULL",
        "null",
        " ",
        "\u95f8\u53e3",
        None,
        "'",
        "\x7f",
        "\\n",
    ]
    async with postgres.driver(readonly=True) as transaction:
        assert [row[0] for row in await transaction.rows(ECHO, {"values": array_literal(values)})] == values
        assert await transaction.rows(ECHO, {"values": array_literal([])}) == []


async def test_ids_come_through_whoever_made_them(postgres: Postgres) -> None:
    ids = [new_id(), uuid4(), UUID(int=0)]
    async with postgres.driver(readonly=True) as transaction:
        assert [row[0] for row in await transaction.rows(UUIDS, {"values": array_literal(ids)})] == ids


@given(st.text(st.characters(max_codepoint=0x1F), min_size=1), st.text(st.characters(codec="utf-8")))
def test_a_control_character_is_refused_and_not_written_as_something_else(control: str, rest: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        array_literal(["fine", rest + control])
