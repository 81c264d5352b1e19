"""What the desk shows, in one language, with every phone number masked: the console's answers and the CLI's `--json`."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from kit.clock import rfc3339
from kit.web.languages import Language
from ops.desk import texts
from ops.desk.facts import ShopperFacts
from ops.desk.masks import mask_phone, mask_text
from ops.desk.rules import Reason, State, find_verdict
from ops.desk.service import Answer, Found
from ops.desk.steps import Step, list_steps


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StateShown(_Shown):
    """A stable code and what it means."""

    code: State
    text: str


class ReasonShown(_Shown):
    """A stable code and what it means."""

    code: Reason
    text: str


class PlaceShown(_Shown):
    """The place in line: positions below `frontier` may enter. `reachable` false: it could not be asked for now."""

    position: int | None
    frontier: int
    reachable: bool


class StepShown(_Shown):
    """One thing that happened; `subject` is the reservation, payment or grant it happened to."""

    at: str = Field(json_schema_extra={"format": "date-time"})
    code: str
    text: str
    subject: str


class SaleShown(_Shown):
    """A shopper in one sale: one state, one reason, and every step with its time."""

    sale_id: str
    campaign_id: str
    title: str
    state: StateShown
    reason: ReasonShown
    place: PlaceShown
    steps: list[StepShown]


class ShopperShown(_Shown):
    """The desk's answer about one shopper."""

    user: str
    phones: list[str]
    language: Language
    audit_id: UUID
    sales: list[SaleShown]


class SearchShown(_Shown):
    """The desk's answer to a search."""

    audit_id: UUID
    shoppers: list[ShopperShown]


def show(answer: Answer, language: Language) -> ShopperShown:
    """The answer in `language`."""
    return ShopperShown(
        user=mask_text(answer.user_id),
        phones=list(dict.fromkeys(mask_phone(phone) for phone in answer.phones)),
        language=language,
        audit_id=answer.audit_id,
        sales=[_show_sale(facts, language) for facts in answer.sales],
    )


def show_found(found: Found, language: Language) -> SearchShown:
    return SearchShown(audit_id=found.audit_id, shoppers=[show(answer, language) for answer in found.answers])


def _show_sale(facts: ShopperFacts, language: Language) -> SaleShown:
    verdict = find_verdict(facts)
    return SaleShown(
        sale_id=facts.sale.sale_id,
        campaign_id=facts.sale.campaign_id,
        title=facts.sale.titles.get(language, facts.sale.sale_id),
        state=StateShown(code=verdict.state, text=texts.STATES[verdict.state][language]),
        reason=ReasonShown(code=verdict.reason, text=texts.REASONS[verdict.reason][language]),
        place=PlaceShown(
            position=facts.line.position, frontier=facts.line.frontier, reachable=facts.line.reachable
        ),
        steps=[_show_step(step, language) for step in list_steps(facts)],
    )


def _show_step(step: Step, language: Language) -> StepShown:
    words = {name: mask_text(word) for name, word in step.words.items()}
    return StepShown(
        at=rfc3339(step.at),
        code=step.code,
        text=texts.STEPS[step.code][language].format(**words),
        subject=step.subject,
    )
