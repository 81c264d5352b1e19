"""What agents read: each state, reason and step in both languages. The codes are stable, the words may improve."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from kit.web.languages import Language
from ops.desk.rules import Reason, State

Text = Mapping[Language, str]


def _both(zh: str, en: str) -> Text:
    return MappingProxyType({"zh-CN": zh, "en": en})


STATES: Final[Mapping[State, Text]] = MappingProxyType(
    {
        State.NEEDS_ATTENTION: _both("需人工处理", "Needs attention"),
        State.REFUND_DUE: _both("退款中", "Refund due"),
        State.HOLDING: _both("已锁定，待支付", "Holding, to be paid"),
        State.REWARD_BLOCKED: _both("奖励受阻", "Reward blocked"),
        State.BOUGHT: _both("已购买", "Bought"),
        State.REWARDED: _both("已购买，奖励已到账", "Bought and rewarded"),
        State.REFUNDED: _both("已退款", "Refunded"),
        State.HOLD_LOST: _both("锁定已失效", "Hold lost"),
        State.MISSED: _both("未买到", "Missed"),
        State.MAY_ENTER: _both("可以入场", "May enter"),
        State.WAITING: _both("排队中", "Waiting"),
        State.NOT_TAKING_PART: _both("未参加", "Not taking part"),
        State.NOTHING_BOUGHT: _both("尚未购买", "Nothing bought"),
    }
)

REASONS: Final[Mapping[Reason, Text]] = MappingProxyType(
    {
        Reason.RECORD_UNKNOWN: _both(
            "记录中有本系统不认识的状态，请转技术处理。",
            "A record has a state that this desk does not know; hand it to tech.",
        ),
        Reason.PAID_FOR_NOTHING: _both(
            "已付款，但没有对应的成交订单；请立即转技术与财务处理。",
            "Money was taken and serves no purchase; hand it to tech and finance at once.",
        ),
        Reason.BOUGHT_UNPAID: _both(
            "订单已成交，但找不到对应的付款；请转财务核对。",
            "The purchase is confirmed and no payment serves it; hand it to finance.",
        ),
        Reason.REWARD_UNEARNED: _both(
            "已发放奖励，但没有成交订单；请转财务核对。",
            "A reward was granted without a purchase; hand it to finance.",
        ),
        Reason.PAYMENT_NEEDS_PEOPLE: _both(
            "支付方长时间没有答复，或其说法前后矛盾；请转财务与支付方核对。",
            "The provider does not say what became of a payment, or contradicts itself; hand it to finance.",
        ),
        Reason.LATE_PAYMENT_NO_STOCK: _both(
            "付款到达时锁定已失效且库存已售完，全额退款正在办理。",
            "The payment came after the hold had ended and all was sold; the full amount is on its way back.",
        ),
        Reason.LATE_PAYMENT_OVER_LIMIT: _both(
            "付款到达时锁定已失效，再成交将超过每人限购数量，全额退款正在办理。",
            "The payment came after the hold had ended and another purchase would exceed the limit; it is on its way back.",
        ),
        Reason.WRONG_AMOUNT: _both(
            "支付金额或币种与订单不符，全额退款正在办理。",
            "The amount or currency paid is not that of the reservation; it is on its way back.",
        ),
        Reason.PAID_TWICE: _both(
            "同一订单付款两次，多付的一笔正在退回。",
            "The same reservation was paid twice; the second payment is on its way back.",
        ),
        Reason.REFUND_UNDER_WAY: _both("退款正在办理。", "A refund is under way."),
        Reason.HOLD_OVERDUE: _both(
            "支付时限已过，锁定即将释放；此刻到达的付款仍会被受理。",
            "The time to pay is over and the hold is about to end; a payment that arrives now is still taken.",
        ),
        Reason.PAYMENT_REFUSED: _both(
            "支付被拒绝；在锁定时限内可重新支付。",
            "The payment was refused; it can be tried again while the hold lasts.",
        ),
        Reason.PAYMENT_AWAITED: _both(
            "已发起支付，等待支付方的结果。",
            "The payment was started and the provider has not answered yet.",
        ),
        Reason.PAYMENT_NOT_STARTED: _both(
            "库存已锁定，用户尚未发起支付。", "Units are held and the shopper has not started to pay."
        ),
        Reason.REWARD_BUDGET_SPENT: _both(
            "符合奖励条件，但奖励预算已用完；由运营处理。",
            "The reward was earned and its budget is spent; operations looks after it.",
        ),
        Reason.REWARD_DECLINED: _both(
            "奖励发放被支付方拒绝；由财务处理，不会重复发放。",
            "The provider declined to pay the reward; finance looks after it, and it is never paid twice.",
        ),
        Reason.REWARD_BEING_JUDGED: _both(
            "已付款成交，系统正在核算奖励。", "The purchase is paid and its rewards are being worked out."
        ),
        Reason.REWARD_UNDER_WAY: _both(
            "已付款成交，奖励正在发放。", "The purchase is paid and a reward is on its way."
        ),
        Reason.REWARD_SENT: _both("全部奖励已发放到账。", "Every reward has been sent."),
        Reason.NO_REWARD_DUE: _both(
            "已付款成交；按活动规则，此订单没有奖励。",
            "The purchase is paid; by the rules of the sale it earns no reward.",
        ),
        Reason.MONEY_RETURNED: _both("款项已原路退回。", "The money has been returned the way it came."),
        Reason.PAYMENT_UNRESOLVED: _both(
            "锁定已失效，支付结果未定；若已扣款，将自动补单或全额退款。",
            "The hold has ended and the payment is undecided; if money was taken, the purchase is restored or refunded.",
        ),
        Reason.HOLD_EXPIRED: _both(
            "未在时限内支付，库存已释放；如仍有库存可再次购买。",
            "It was not paid in time and the units went back; the shopper may try again while stock lasts.",
        ),
        Reason.GIVEN_BACK: _both("用户主动放弃了锁定。", "The shopper gave the units back."),
        Reason.SALE_ENDED: _both(
            "活动已结束，用户排过队但没有下单。",
            "The sale is over; the shopper was in line and reserved nothing.",
        ),
        Reason.SOLD_OUT: _both(
            "商品已售完，用户排过队但没有下单。",
            "Everything is taken; the shopper was in line and reserved nothing.",
        ),
        Reason.SALE_NOT_OPEN: _both("已取号，活动尚未开始。", "In line; the sale has not opened."),
        Reason.LINE_PAUSED: _both("已取号，入场暂停中。", "In line; nobody is let in for the moment."),
        Reason.TURN_REACHED: _both(
            "已轮到该用户，可入场购买。", "The turn has come; the shopper may enter and buy."
        ),
        Reason.BEFORE_TURN: _both("已取号，尚未轮到。", "In line; the turn has not come yet."),
        Reason.LINE_UNREACHABLE: _both(
            "没有订单；排队系统暂时无法查询，号码保留不变。",
            "Nothing was reserved; the waiting room does not answer now, and places in it are kept.",
        ),
        Reason.NEVER_JOINED: _both("没有排队，也没有订单。", "Neither in line nor with a reservation."),
    }
)

STEPS: Final[Mapping[str, Text]] = MappingProxyType(
    {
        "admitted": _both("入场", "Let in"),
        "held": _both("锁定 {what}", "Held {what}"),
        "payment_opened": _both("发起支付 {amount}", "Started to pay {amount}"),
        "payment_refused": _both("支付被拒绝", "The payment was refused"),
        "paid": _both("支付成功 {amount}", "Paid {amount}"),
        "notice_received": _both("收到支付方通知", "The provider's notice arrived"),
        "confirmed": _both("订单成交 {what}", "Bought {what}"),
        "regranted": _both("逾期付款，重新成交 {what}", "Late payment: bought {what} all the same"),
        "released": _both("用户放弃锁定", "Given back by the shopper"),
        "expired": _both("锁定到期释放", "The hold expired"),
        "refunded": _both("已退款 {amount}", "Refunded {amount}"),
        "reward_earned": _both("获得奖励 {amount}", "Earned {amount}"),
        "payout_tried": _both("第 {number} 次发放", "Payout attempt {number}"),
        "payout_paid": _both("第 {number} 次发放成功", "Payout attempt {number} was paid"),
        "payout_declined": _both("第 {number} 次发放被拒绝", "Payout attempt {number} was declined"),
        "reward_sent": _both("奖励到账 {amount}", "Reward sent: {amount}"),
        "reward_blocked": _both("奖励受阻，由{owner}处理", "Reward blocked, {owner} looks after it"),
    }
)
