"""`floodgate`: the command line. Every refusal is a plain sentence and exit code 2, never a traceback."""

import sys
from typing import Final

import structlog
import typer

from kit.errors import DomainError, StartRefused
from ops.desk.cli import desk, staff_token
from ops.faults.cli import faults
from ops.faults.sweep.cli import sweep_command
from ops.judgement import judge_command
from ops.planning.cli import sale
from ops.planning.errors import SaleFileInvalid
from ops.planning.language import say_refusal, terminal_language
from ops.run.cli import run

EXIT_REFUSED: Final = 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Floodgate (闸口): a flash sale, from the crowd at the door to the reward in the pocket. Begin with: floodgate run",
)
app.add_typer(sale, name="sale")
app.command("run")(run)
app.command("faults")(faults)
app.command("sweep")(sweep_command)
app.command("judge")(judge_command)
app.command("desk")(desk)
app.command("staff-token")(staff_token)


def main() -> None:
    """Runs a command; what is refused is said on stderr in the language of the terminal."""
    # What a command prints is its answer, for programs too; what it logs stands beside it.
    structlog.configure(logger_factory=_to_stderr)
    try:
        app()
    except (StartRefused, DomainError) as refusal:
        for sentence in explain(refusal, terminal_language()):
            print(sentence, file=sys.stderr)  # noqa: T201 - a command line speaks by printing
        sys.exit(EXIT_REFUSED)


def _to_stderr(*_: object) -> structlog.PrintLogger:
    """Whatever stderr is at that moment: who calls `main` and goes on may have closed what it was before."""
    return structlog.PrintLogger(sys.stderr)


def explain(refusal: StartRefused | DomainError, language: str) -> list[str]:
    """The sentences for a refusal."""
    if isinstance(refusal, SaleFileInvalid):
        nothing = {
            "en": "Nothing was changed; mend the file and apply it again.",
            "zh-CN": "没有任何改动；请改好文件后重新执行。",
        }
        return [*(one.sentence(language) for one in refusal.problems), nothing[language]]
    if isinstance(refusal, DomainError):
        return [say_refusal(refusal, language)]
    return [str(refusal)]


if __name__ == "__main__":
    main()
