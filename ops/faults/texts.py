"""What the matrix says to whoever reads or watches it, in both languages. Pure."""

from typing import Final

from kit.web.languages import Language

TEXTS: Final[dict[str, dict[Language, str]]] = {
    "title": {"en": "Fault matrix", "zh-CN": "故障矩阵"},
    "servers": {"en": "starting PostgreSQL and Redis", "zh-CN": "正在启动 PostgreSQL 与 Redis"},
    "running": {
        "en": "{rows} rows, {seeds} seeds each: {trials} trials with the controls",
        "zh-CN": "{rows} 行，每行 {seeds} 个种子：连同对照共 {trials} 次试验",
    },
    "left": {"en": "left", "zh-CN": "剩余"},
    "row_ended": {"en": "{row_id}: {trials} trials", "zh-CN": "{row_id}：{trials} 次试验"},
    "written": {"en": "Report: {path}", "zh-CN": "报告：{path}"},
    "all_held": {
        "en": "All {rows} rows held at all {seeds} seeds.",
        "zh-CN": "全部 {rows} 行在全部 {seeds} 个种子下成立。",
    },
    "not_held": {
        "en": "{broken} judgements do not hold ({rows} rows, {seeds} seeds each).",
        "zh-CN": "有 {broken} 项未成立（共 {rows} 行，每行 {seeds} 个种子）。",
    },
    "took": {
        "en": "Took {minutes:.1f} minutes; seeds {first} to {last}.",
        "zh-CN": "用时 {minutes:.1f} 分钟；种子 {first} 至 {last}。",
    },
    "rows": {"en": "The rows", "zh-CN": "各行"},
    "how_to_read": {
        "en": "Broken: trials with a violation, without proof of the fault, with units unsold, or with too little goodput "
        "afterwards. Injected: what shows that the fault took place, from the first trial. Control: what the judge found "
        "with the guard taken away. Recovery: from the end of the fault until the sale was open again, median / worst. "
        "Goodput: within 30 s of that against before, the worst trial.",
        "zh-CN": "未成立：出现违例、没有故障证据、有商品卖不出去、或恢复后吞吐不足的试验数。证据：第一次试验中证明故障确实发生的一句话。"
        "对照：去掉防护后检验发现的违例。恢复：从故障结束到重新开卖，中位 / 最差。吞吐：恢复后 30 秒内与故障前之比，取最差的一次。",
    },
    "broken": {"en": "What did not hold, and how to see it again", "zh-CN": "未成立的试验与重现方法"},
    "seed": {"en": "seed", "zh-CN": "种子"},
    "not_run": {"en": "not run: {reason}", "zh-CN": "未运行：{reason}"},
    "control_found": {"en": "found {violation}", "zh-CN": "发现 {violation}"},
    "control_seeds": {"en": "(at seed {seeds} of those asked)", "zh-CN": "（第 {seeds} 个种子时出现）"},
    "control_blind": {"en": "**found nothing**", "zh-CN": "**未发现违例**"},
    "violating_trials": {"en": "trials with a violation", "zh-CN": "出现违例的试验"},
    "unproven_trials": {"en": "trials in which nothing shows the fault", "zh-CN": "没有故障证据的试验"},
    "blind_controls": {
        "en": "controls that found nothing without their guard",
        "zh-CN": "去掉防护后仍无发现的对照",
    },
    "sought_again": {
        "en": "trials begun again because their fault had not taken place",
        "zh-CN": "因故障未真正发生而重做的试验",
    },
    "unsold_units": {"en": "units unsold for ever after a fault", "zh-CN": "故障后永远卖不出去的商品"},
    "goodput_ratio_min": {
        "en": "goodput after against before, the worst trial",
        "zh-CN": "恢复后与故障前的吞吐之比，最差的一次",
    },
    "column_id": {"en": "id", "zh-CN": "编号"},
    "column_what": {"en": "what is broken", "zh-CN": "内容"},
    "column_value": {"en": "value", "zh-CN": "值"},
    "column_goal": {"en": "goal", "zh-CN": "目标"},
    "column_broken": {"en": "broken", "zh-CN": "未成立"},
    "column_injected": {"en": "injected", "zh-CN": "证据"},
    "column_control": {"en": "control", "zh-CN": "对照"},
    "column_recovery": {"en": "recovery", "zh-CN": "恢复"},
    "column_goodput": {"en": "goodput", "zh-CN": "吞吐"},
}


def say(language: Language, name: str, /, **facts: object) -> str:
    """The sentence `name` in `language`."""
    return TEXTS[name][language].format(**facts)
