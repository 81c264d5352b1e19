"""The language of the person at the terminal, and the refusals of other rooms in words."""

import os
from collections.abc import Mapping
from typing import Final

from kit.errors import DomainError
from kit.web.languages import Language

REFUSALS: Final[Mapping[str, Mapping[str, str]]] = {
    "sale_already_open": {
        "en": "The sale has begun, so {changes} can no longer change: shoppers rely on it. Apply a new sale id instead.",
        "zh-CN": "活动已经开始，{changes} 不能再改：用户正依赖这些约定。请换一个新的活动 id。",
    },
    "stock_below_taken": {
        "en": "{sku}: {taken} units are held or sold already, so the stock cannot become {total}. Write at least {taken}.",
        "zh-CN": "{sku}：已有 {taken} 件被占用或售出，库存不能改成 {total}。请至少写 {taken}。",
    },
    "reward_rule_already_granted": {
        "en": "Reward {rule_id} has been promised to people already, so {field} can no longer change. Add a new rule instead.",
        "zh-CN": "奖励 {rule_id} 已经许诺给用户，{field} 不能再改。请另加一条新规则。",
    },
    "reward_budget_below_promised": {
        "en": "Reward {rule_id}: {used_minor} are promised already, so the budget cannot become {budget_minor}. Raise it.",
        "zh-CN": "奖励 {rule_id}：已许诺 {used_minor}，预算不能降到 {budget_minor}。请调高预算。",
    },
    "reward_rule_invalid": {
        "en": "Reward {rule_id}: {field} {problem}.",
        "zh-CN": "奖励 {rule_id}：{field} 不可用（{problem}）。",
    },
    "window_over": {
        "en": "The window of {sale_id} ended at {closes_at}. Move it, or try the sale with --opens-in-seconds 60.",
        "zh-CN": "{sale_id} 的时间窗口已于 {closes_at} 结束。请修改时间，或用 --opens-in-seconds 60 试运行。",
    },
    "sale_unknown": {
        "en": "There is no sale {sale_id}. `floodgate sale list` names those there are.",
        "zh-CN": "没有活动 {sale_id}。用 `floodgate sale list` 查看现有活动。",
    },
    "unavailable": {
        "en": "{what} does not answer. Check that it runs and that its address is right (DATABASE_URL, REDIS_*_URL), then try again.",
        "zh-CN": "{what} 没有响应。请确认服务在运行、地址正确（DATABASE_URL、REDIS_*_URL），然后重试。",
    },
}  # fmt: skip


def terminal_language() -> Language:
    """`zh-CN` where the locale is Chinese, else `en`."""
    locale = next(
        (os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), ""
    )
    return "zh-CN" if locale.lower().startswith("zh") else "en"


def say_refusal(error: DomainError, language: str) -> str:
    """A refusal in words, with what to do; its code and facts where there are no words yet."""
    words = REFUSALS.get(error.code)
    if words is None:
        facts = ", ".join(f"{name}: {value}" for name, value in error.facts.items())
        return f"{error.code} ({facts})" if facts else error.code
    facts_shown = {
        name: ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        for name, value in error.facts.items()
    }
    return words[language].format_map(facts_shown)
