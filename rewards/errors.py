"""What can go wrong with rewards, as business facts."""

from kit.errors import DomainError


class RuleInvalid(DomainError):
    """A reward rule that cannot be meant. Facts: `rule_id`, `field`, `problem`."""

    code = "reward_rule_invalid"

    def __init__(self, rule_id: str, field: str, problem: str) -> None:
        super().__init__(rule_id=rule_id, field=field, problem=problem)


class RuleAlreadyGranted(DomainError):
    """Somebody was granted a reward under this rule: what was promised does not change. Facts: `rule_id`, `field`."""

    code = "reward_rule_already_granted"

    def __init__(self, rule_id: str, field: str) -> None:
        super().__init__(rule_id=rule_id, field=field)


class BudgetBelowPromised(DomainError):
    """The new budget is less than what is promised and paid already. Facts: `rule_id`, `budget_minor`, `used_minor`."""

    code = "reward_budget_below_promised"

    def __init__(self, rule_id: str, *, budget_minor: int, used_minor: int) -> None:
        super().__init__(rule_id=rule_id, budget_minor=budget_minor, used_minor=used_minor)


class EarlierConfirmationsOpen(DomainError):
    """So few rewards are left that earlier confirmations, not yet looked at, might earn them: their turn first."""

    code = "earlier_confirmations_open"


class BalanceTooLow(DomainError):
    """A transfer would take an account below zero. Facts: `account_id`."""

    code = "balance_too_low"

    def __init__(self, account_id: str) -> None:
        super().__init__(account_id=account_id)
