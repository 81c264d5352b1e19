"""Services never commit.

The story: a service that commits cannot be called within a larger transaction, and sooner or later it is; then half
of something is durable and the other half is not. One request or task is one transaction, committed where it was
opened: `kit.postgres.Postgres.unit_of_work`, at the edge.
The way out: take a `WriteSession`, and use `session.after_commit(...)` for what must wait for the commit.
"""

import ast
from collections.abc import Iterable
from typing import Final

from tests.house.tree import Source, calls, program, sample

# The unit of work itself; Alembic's environment, an edge of its own; and the provider simulator, which stands for
# another company and keeps its book in a file of its own.
EDGES: Final = frozenset({"kit/postgres.py", "ops/migrations/env.py", "ops/simulator/book.py"})
ENDS: Final = frozenset({"commit", "rollback"})


def commits(sources: Iterable[Source]) -> list[str]:
    """A session's commit and rollback take no arguments; that is how they are told from a method of ours."""
    found = []
    for source in sources:
        if source.path in EDGES:
            continue
        found += [
            f"{source.path}:{call.lineno} calls .{name}(): leave that to who opened the unit of work"
            for call, name in calls(source)
            if name in ENDS and isinstance(call.func, ast.Attribute) and not call.args and not call.keywords
        ]
        found += [
            f"{source.path}:{node.lineno} sends {node.value!r} as SQL: leave that to who opened the unit of work"
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value.strip().rstrip(";").upper() in {"COMMIT", "ROLLBACK"}
        ]
    return found


def test_nobody_commits_but_the_edge() -> None:
    found = commits(program())
    assert not found, "\n".join(found)


def test_the_rule_sees_a_commit() -> None:
    assert commits(sample("async def pay(session):\n    await session.commit()\n"))
    assert commits(sample("async def pay(self):\n    await self.session.rollback()\n"))
    assert commits(sample("async def pay(c):\n    await c.execute('commit;')\n"))


def test_the_rule_lets_the_edge_and_other_words_be() -> None:
    assert not commits(sample("session.commit()", "kit/postgres.py"))
    assert not commits(sample("session.after_commit(ring)\ncommitter.commit(wishes)\n"))
