"""Redis keys are built in one module a room.

The story: a key that is spelled in two places is one day spelled in two ways, and the second way reads an empty hash,
which looks like "nothing taken yet". `keys.py` names every key once, with its type, its TTL and who owns it, and
gives all keys of a sale one hash tag, so that a script's keys stay on one node of a cluster.
The way out: a builder in the room's `keys.py`; kit may name keys of its own.

What counts as a key, outside `keys.py` and `kit/`: a string that holds a hash tag (`…:{sale}…`), a string that begins
with a key prefix that some `keys.py` uses (`flashsale:…`), and a string handed to a Redis command as its key.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Final

from tests.house.tree import Source, program, sample

TAGGED: Final = re.compile(r"^[a-z][a-z_:.-]*:\{[^}]*\}(:|$)")
PREFIXED: Final = re.compile(r"^(q|queue|queueing|flashsale|stock|rewards|limits|floodgate):[a-z{]")
# Names that are Redis commands and little else; `get` and `set` are too many other things.
COMMANDS: Final = frozenset(
    {
        "hget", "hset", "hsetnx", "hmget", "hgetall", "hdel", "hincrby", "hexists", "hlen", "incrby",
        "decrby", "setex", "psetex", "setnx", "getset", "getdel", "expire", "pexpire", "expireat",
        "persist", "pttl", "sadd", "srem", "smembers", "sismember", "scard", "zadd", "zrem", "zrange",
        "zrangebyscore", "zcard", "lpush", "rpush", "lpop", "rpop", "lrange", "llen", "xadd", "xread",
        "xrange", "publish", "ssubscribe",
    }
)  # fmt: skip


def _is_home(source: Source) -> bool:
    return source.path.endswith("/keys.py") or source.path.startswith("kit/")


def _text(node: ast.expr) -> str | None:
    """A literal as text, with `{…}` braces kept and `?` for what an f-string fills in; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        return node.value if isinstance(node.value, str) else node.value.decode("latin-1")
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "?"
            for part in node.values
            if isinstance(part, ast.Constant | ast.FormattedValue)
        )
    return None


def _prose(tree: ast.Module) -> set[int]:
    """Docstrings, which may speak of keys."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def _keys_in(source: Source) -> Iterator[tuple[int, str]]:
    prose = _prose(source.tree)
    parts = {
        id(part) for node in ast.walk(source.tree) if isinstance(node, ast.JoinedStr) for part in node.values
    }
    for node in ast.walk(source.tree):
        if isinstance(node, ast.expr) and id(node) not in prose | parts:
            text = _text(node)
            if text is not None and (TAGGED.search(text) or PREFIXED.search(text)):
                yield node.lineno, text
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            text = _text(node.args[0])
            if node.func.attr in COMMANDS and text is not None:
                yield node.lineno, text


def stray_keys(sources: Iterable[Source]) -> list[str]:
    return sorted(
        {
            f"{source.path}:{line} spells the Redis key {text!r}: build it in the room's keys.py"
            for source in sources
            if not _is_home(source)
            for line, text in _keys_in(source)
        }
    )


def test_no_key_is_spelled_outside_its_module() -> None:
    found = stray_keys(program())
    assert not found, "\n".join(found)


def test_the_rule_sees_a_hash_tag_in_an_f_string() -> None:
    assert stray_keys(sample('key = f"anything:{{{sale_id}}}:stock"'))


def test_the_rule_sees_a_prefix_and_a_literal_handed_to_a_command() -> None:
    assert stray_keys(sample('ROOMS = "queueing:rooms"'))
    assert stray_keys(sample('await client.hset("counters", "a", 1)'))
    assert stray_keys(sample('await client.hget(f"c{user}", "a")'))


def test_the_rule_lets_keys_modules_prose_and_other_braces_be() -> None:
    text = 'key = f"flashsale:{{{sale_id}}}:stock"'
    assert not stray_keys(sample(text, "flashsale/keys.py"))
    assert not stray_keys(sample(text, "kit/lua.py"))
    assert not stray_keys(sample('"""A key looks like flashsale:{sale}:stock."""\nx = f"{{{y}}}"\n'))
    assert not stray_keys(
        sample('settings = {"a": 1}.get("floodgate")\nawait client.hset(keys.room(s), "a", 1)\n')
    )
