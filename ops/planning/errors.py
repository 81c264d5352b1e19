"""What planning refuses: a sale file with mistakes, each with its line and its mend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kit.errors import DomainError


@dataclass(frozen=True, slots=True)
class SaleFileProblem:
    """One mistake. `wrong` and `mend` are {"en": …, "zh-CN": …}; `field` is a path such as `items[0].price_minor`."""

    line: int
    field: str
    code: str
    wrong: Mapping[str, str]
    mend: Mapping[str, str]

    def sentence(self, language: str) -> str:
        """`line 12, items[0].stock: is 0, … Write …` in `language`."""
        if language == "zh-CN":
            return f"第 {self.line} 行，{self.field}：{self.wrong[language]}。{self.mend[language]}。"
        return f"line {self.line}, {self.field}: {self.wrong[language]}. {self.mend[language]}."


class SaleFileInvalid(DomainError):
    """The sale file cannot be applied; nothing was changed. `problems` in the order of their lines."""

    code = "sale_file_invalid"

    def __init__(self, problems: Sequence[SaleFileProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__(problems=len(self.problems))


class WindowOver(DomainError):
    """The sale's window has passed already, by PostgreSQL's clock. Facts: `sale_id`, `closes_at`."""

    code = "window_over"
