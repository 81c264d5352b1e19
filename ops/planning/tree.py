"""A sale file's YAML as plain values, with the line of every field.

Stricter than YAML: no aliases (a few lines could unfold into gigabytes), no tags, no field written twice, and only
plain decimal digits make a number: YAML 1.1 would read 0777 as 511 and 12:30 as 750.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from ops.planning.errors import SaleFileInvalid, SaleFileProblem
from ops.planning.messages import problem

CHARACTERS_MAX: Final = 65_536  # a hundred items with texts in two languages are about half of it
DEPTH_MAX: Final = 12  # a sale file needs six; the parser's recursion must stay bounded
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]*(_[0-9]+)*)")
_DIGITS_MAX: Final = 40  # beyond any amount; Python refuses to convert thousands of digits
# Neither PostgreSQL's jsonb nor a terminal takes these: control characters, halves of surrogate pairs.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_PLAIN = "tag:yaml.org,2002:"

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Tree:
    """`value` is made of dicts, lists, str, int and None; `lines` has the line of each path."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[SaleFileProblem] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of `path`, or of the nearest thing around it that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_tree(text: str) -> Tree:
    """Reads `text`. Raises `SaleFileInvalid` for what cannot be read; softer mistakes are in `problems`."""
    if len(text) > CHARACTERS_MAX:
        raise SaleFileInvalid([problem("too_large", 1, "", size=len(text), most=CHARACTERS_MAX)])
    try:
        _refuse_unbounded(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise SaleFileInvalid([problem("syntax", line, "", problem=error.problem or "unreadable")]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SaleFileInvalid(
            [problem("syntax", line, "", problem=f"character U+{error.character:04X}")]
        ) from None
    if root is None:
        raise SaleFileInvalid([problem("empty", 1, "")])
    tree = Tree()
    tree.value = _value(root, (), tree)
    return tree


def field_name(path: Path) -> str:
    """`items[0].price_minor`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _refuse_unbounded(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = _line(event)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise SaleFileInvalid([problem("alias", line, "")])
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH_MAX:
            raise SaleFileInvalid([problem("too_deep", line, "", most=DEPTH_MAX)])


def _value(node: yaml.Node, path: Path, tree: Tree) -> Any:
    tree.lines.setdefault(path, _line(node))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, tree)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, place), tree) for place, child in enumerate(node.value)]
    return _scalar(node.tag.removeprefix(_PLAIN), str(node.value), path, tree)


def _line(node: yaml.Node | yaml.Event) -> int:
    return node.start_mark.line + 1 if node.start_mark else 1


def _mapping(node: yaml.MappingNode, path: Path, tree: Tree) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, child in node.value:
        line = _line(key)
        if not isinstance(key, yaml.ScalarNode) or key.tag == f"{_PLAIN}merge":
            tree.problems.append(problem("key_not_text", line, field_name(path)))
            continue
        name, here = key.value, (*path, key.value)
        if _UNPRINTABLE.search(name):
            tree.problems.append(problem("unprintable", line, field_name(path)))
            continue
        if name in values:
            first = tree.lines[here]
            tree.problems.append(problem("duplicate_key", line, field_name(here), name=name, first=first))
            continue
        tree.lines[here] = line
        values[name] = _value(child, here, tree)
    return values


def _scalar(kind: str, text: str, path: Path, tree: Tree) -> Any:
    if kind == "null":
        return None
    if _UNPRINTABLE.search(text):
        tree.problems.append(problem("unprintable", tree.line(path), field_name(path)))
        return _UNPRINTABLE.sub("?", text)
    if kind == "int" and _INTEGER.fullmatch(text) and len(text) <= _DIGITS_MAX:
        return int(text)
    if kind not in {"str", "bool", "int", "float", "timestamp", "value", "merge"}:
        tree.problems.append(problem("tag", tree.line(path), field_name(path), tag=kind))
    return text
