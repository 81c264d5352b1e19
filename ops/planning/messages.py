"""Every mistake a sale file can have: what is wrong and how to mend it, in English and Chinese."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ops.planning.errors import SaleFileProblem


class Message(NamedTuple):
    """The two halves of an error, in both languages; `{facts}` are filled in."""

    wrong_en: str
    mend_en: str
    wrong_zh: str
    mend_zh: str


MESSAGES: Final[Mapping[str, Message]] = {
    "not_utf8": Message(
        "the file is not UTF-8 text", "Save it as UTF-8", "文件不是 UTF-8 文本", "请另存为 UTF-8 编码"
    ),
    "too_large": Message(
        "the file has {size} characters, more than {most}",
        "Shorten the texts or split the campaign into several sales",
        "文件有 {size} 个字符，超过上限 {most}",
        "请缩短文案，或把活动拆成几场",
    ),
    "empty": Message(
        "the file is empty",
        "Start from examples/double11.yaml",
        "文件是空的",
        "请以 examples/double11.yaml 为样板",
    ),
    "syntax": Message(
        "this is not YAML: {problem}",
        "Check indentation, colons and quotes around this line",
        "不是合法的 YAML：{problem}",
        "请检查这一行附近的缩进、冒号和引号",
    ),
    "alias": Message(
        "anchors and aliases (& and *) are not read",
        "Write the value out",
        "不支持锚点和别名（& 和 *）",
        "请把内容完整写出来",
    ),
    "tag": Message(
        "the tag {tag} is not read", "Remove it and write a plain value", "不支持标签 {tag}", "请去掉它，写普通的值"
    ),
    "too_deep": Message(
        "it is nested deeper than {most} levels",
        "A sale file needs six levels; check the indentation",
        "嵌套超过 {most} 层",
        "活动文件只需要六层，请检查缩进",
    ),
    "unprintable": Message(
        "it holds a character that cannot be shown",
        "Remove it; a line break is \\n or a text after |",
        "含有无法显示的字符",
        "请删除；换行请用 \\n 或 | 文本块",
    ),
    "duplicate_key": Message(
        "{name} is written twice (first in line {first})",
        "Keep one of the two",
        "{name} 写了两次（第一次在第 {first} 行）",
        "请只保留一个",
    ),
    "key_not_text": Message(
        "a field name must be text", "Put the name in quotes", "字段名必须是文字", "请给字段名加上引号"
    ),
    "missing": Message(
        "{name} is missing", "Add {name} here", "缺少 {name}", "请在这里补上 {name}"
    ),
    "unknown_field": Message(
        "there is no field {name} here",
        "Did you mean {close}",
        "这里没有 {name} 这个字段",
        "是不是想写 {close}",
    ),
    "unknown_field_listed": Message(
        "there is no field {name} here",
        "The fields here are: {known}",
        "这里没有 {name} 这个字段",
        "这里可以写：{known}",
    ),
    "null": Message(
        "has no value", "Write a value after the colon", "没有填值", "请在冒号后面填上内容"
    ),
    "not_integer": Message(
        "{value} is not a whole number",
        "Write digits only; money is in minor units, 1,999.00 is 199900",
        "{value} 不是整数",
        "请只写数字；金额以分为单位，1999.00 元写 199900",
    ),
    "not_text": Message(
        "{value} is not text", "Put it in quotes", "{value} 不是文字", "请加上引号"
    ),
    "not_a_list": Message(
        "must be a list", "Begin each entry with a dash", "必须是列表", "每一项前面写一个短横线"
    ),
    "not_a_section": Message(
        "must be a section with fields of its own",
        "Write its fields indented beneath it",
        "必须是包含字段的一节",
        "请在下面缩进写出各个字段",
    ),
    "too_small": Message(
        "{value} is less than {least}",
        "Write at least {least}",
        "{value} 小于 {least}",
        "至少写 {least}",
    ),
    "too_big": Message(
        "{value} is more than {most}", "Write at most {most}", "{value} 大于 {most}", "最多写 {most}"
    ),
    "too_long": Message(
        "is longer than {most}", "Shorten it to {most} at most", "长度超过 {most}", "请缩短到 {most} 以内"
    ),
    "too_short": Message(
        "is shorter than {least}", "Write at least {least}", "长度不足 {least}", "至少写 {least}"
    ),
    "pattern": Message(
        "{value} has characters that are not allowed here",
        "Use {allowed}",
        "{value} 含有这里不允许的字符",
        "只能用：{allowed}",
    ),
    "price_zero": Message(
        "a price of 0 cannot be paid: payment providers refuse an amount of 0, and nothing would ever be confirmed",
        "Write a symbolic price, 1 (0.01)",
        "价格 0 无法支付：支付机构不接受 0 元付款，订单永远不会确认",
        "请写一个象征性的价格 1（0.01 元）",
    ),
    "kind": Message(
        "{value} is not a kind of reward",
        "Write one of: points, coupon, cash",
        "{value} 不是奖励种类",
        "请写其中之一：points（积分）、coupon（优惠券）、cash（现金）",
    ),
    "time": Message(
        "{value} is not a time",
        "Write it as 2027-11-11T00:00:00+08:00",
        "{value} 不是时间",
        "请写成 2027-11-11T00:00:00+08:00",
    ),
    "time_zone": Message(
        "{value} has no time zone",
        "Add the offset, as in 2027-11-11T00:00:00+08:00",
        "{value} 没有时区",
        "请加上时差，例如 2027-11-11T00:00:00+08:00",
    ),
    "window": Message(
        "the sale closes at {closes} and opens at {opens}: not after it",
        "Let closes_at be later than opens_at",
        "结束时间 {closes} 不晚于开始时间 {opens}",
        "请让 closes_at 晚于 opens_at",
    ),
    "window_long": Message(
        "the window is {days} days long, more than {most}",
        "Split it into several sales",
        "活动窗口长 {days} 天，超过 {most} 天",
        "请拆成几场",
    ),
    "currency": Message(
        "{value} is not a currency of ISO 4217",
        "Write three capital letters such as {close}",
        "{value} 不是 ISO 4217 货币代码",
        "请写三个大写字母，例如 {close}",
    ),
    "repeated": Message(
        "{value} is used twice (first in line {first})",
        "Give each its own name",
        "{value} 用了两次（第一次在第 {first} 行）",
        "请各取一个名字",
    ),
    "limit_above_stock": Message(
        "one person may take {limit}, but there are only {stock}",
        "Write at most {stock}",
        "每人限购 {limit} 件，但库存只有 {stock} 件",
        "最多写 {stock}",
    ),
    "buckets_above_stock": Message(
        "the stock is split into {buckets} buckets, but there are only {stock} units",
        "Write at most {stock}, or leave buckets out: 1 serves all but the hottest items",
        "库存要分成 {buckets} 个桶，但只有 {stock} 件",
        "最多写 {stock}，或去掉 buckets：除最热门的商品外，1 个桶就够了",
    ),
    "first_above_stock": Message(
        "the first {first} are rewarded, but there are only {stock} units",
        "Write at most {stock}, or leave first_n out",
        "奖励前 {first} 名，但库存只有 {stock} 件",
        "最多写 {stock}，或去掉 first_n",
    ),
    "budget": Message(
        "the budget of {budget} does not cover the worst case, {rewards} rewards of {amount}: {worst}",
        "Raise the budget to {worst}, or lower first_n or the amount",
        "预算 {budget} 不够：最多会发 {rewards} 份，每份 {amount}，共 {worst}",
        "请把预算提高到 {worst}，或减少 first_n 或金额",
    ),
    "invalid": Message(
        "{value} is not accepted here", "See examples/double11.yaml", "这里不接受 {value}", "请参考 examples/double11.yaml"
    ),
}  # fmt: skip


def problem(code: str, line: int, field: str, **facts: Any) -> SaleFileProblem:
    """The mistake `code` at a place, with its words filled in."""
    message = MESSAGES[code]
    return SaleFileProblem(
        line=line,
        field=field or "(file)",
        code=code,
        wrong={"en": message.wrong_en.format(**facts), "zh-CN": message.wrong_zh.format(**facts)},
        mend={"en": message.mend_en.format(**facts), "zh-CN": message.mend_zh.format(**facts)},
    )
