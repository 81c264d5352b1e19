"""What the door itself refuses, and the one table that gives every room's codes a status and words."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from kit.errors import DomainError
from kit.web.texts import ProblemText, problem_text

_ADMISSION_CHALLENGE: Final = 'Bearer realm="admission", error="invalid_token"'


class AdmissionMissing(DomainError):
    """Reserving takes an admission as bearer token."""

    code = "admission_missing"


class AdmissionForeign(DomainError):
    """The admission is good, but for another sale."""

    code = "admission_foreign"


class TooManyStreams(DomainError):
    """No more live streams, for this user or for this process."""

    code = "too_many_streams"


PROBLEMS: Final[Mapping[str, ProblemText]] = MappingProxyType(
    {
        "admission_missing": problem_text(
            401,
            ("Admission missing", "Reserving takes an admission: Authorization: Bearer <admission>."),
            ("缺少入场凭证", "预订需携带入场凭证：Authorization: Bearer <admission>。"),
            challenge='Bearer realm="admission"',
        ),
        "admission_invalid": problem_text(
            401,
            ("Admission refused", "The admission is not valid or no longer valid; ask for a new one."),
            ("入场凭证无效", "入场凭证无效或已过期，请重新获取。"),
            challenge=_ADMISSION_CHALLENGE,
        ),
        "webhook_refused": problem_text(
            401,
            ("Webhook refused", "The signature, its age or the notice is not valid."),
            ("回调被拒绝", "签名、时间戳或通知内容无效。"),
            challenge='Signature realm="webhooks"',
        ),
        "admission_foreign": problem_text(
            403,
            ("Admission for another sale", "This admission gives the right to buy in another sale."),
            ("凭证不属于此活动", "该入场凭证属于另一场活动。"),
        ),
        "ticket_invalid": problem_text(
            403,
            ("Ticket refused", "The ticket is not yours for this sale; join again, your place is kept."),
            ("排队凭证无效", "该排队凭证不属于您或此活动；请重新排队，您的位置会保留。"),
        ),
        "sale_unknown": problem_text(
            404, ("Unknown sale", "There is no such sale."), ("活动不存在", "没有此活动。")
        ),
        "item_unknown": problem_text(
            404, ("Unknown item", "This sale has no such item."), ("商品不存在", "此活动没有该商品。")
        ),
        "reservation_unknown": problem_text(
            404,
            ("Unknown reservation", "You have no such reservation."),
            ("订单不存在", "您没有此订单。"),
        ),
        "not_your_turn": problem_text(
            409,
            ("Not your turn yet", "Position {position} waits for the frontier, now at {frontier}."),
            ("还未轮到您", "您的位置是 {position}，当前放行到 {frontier}。"),
            members=("position", "frontier"),
        ),
        "sale_not_open": problem_text(
            409,
            ("Not open yet", "The sale has not opened yet."),
            ("活动尚未开始", "活动尚未开始，请稍候。"),
            members=("opens_at",),
        ),
        "sold_out": problem_text(
            409,
            ("Sold out", "Not so many units are free now; some may come back when holds expire."),
            ("已售罄", "当前没有足够库存；若有人未付款，可能会有库存释放。"),
        ),
        "limit_reached": problem_text(
            409,
            ("Limit reached", "One person may have at most {per_user_limit} of this item."),
            ("已达限购数量", "该商品每人限购 {per_user_limit} 件。"),
            members=("per_user_limit",),
        ),
        "in_progress": problem_text(
            409,
            ("In progress", "The same request is being answered right now; ask again in a moment."),
            ("处理中", "相同的请求正在处理，请稍后重试。"),
        ),
        "hold_ended": problem_text(
            409,
            ("Hold ended", "This reservation is no longer held; its state is {state}."),
            ("预订已结束", "此预订已不在保留中，当前状态：{state}。"),
            members=("state",),
        ),
        "already_paid": problem_text(
            409,
            ("Already paid", "This reservation is paid for."),
            ("已支付", "此订单已支付。"),
        ),
        "sale_over": problem_text(
            410, ("Sale over", "The sale has ended."), ("活动已结束", "本场活动已结束。")
        ),
        "hold_expired": problem_text(
            410,
            ("Hold expired", "The time to pay has run out; the units went back on sale."),
            ("预订已过期", "支付时间已过，商品已重新放出。"),
        ),
        "quantity_invalid": problem_text(
            422,
            ("Quantity not possible", "The quantity must be between 1 and {quantity_max}."),
            ("数量无效", "数量必须在 1 到 {quantity_max} 之间。"),
            members=("quantity_max",),
        ),
        "too_many_streams": problem_text(
            429,
            ("Too many live streams", "No more live streams for now; read /v1/me/reservations instead."),
            ("实时连接过多", "暂时无法建立更多实时连接，请改为查询 /v1/me/reservations。"),
        ),
        "quota_exceeded": problem_text(
            429,
            ("Too many requests", "You have asked for more than your part; come back when Retry-After says."),
            ("请求过于频繁", "您的请求超出了配额，请在 Retry-After 指定的时间后再试。"),
        ),
        "capacity_reduced": problem_text(
            503,
            ("Too busy now", "Everybody together asks for more than can be served; come back in a moment."),
            ("系统繁忙", "当前请求总量超出了可服务的容量，请稍后再试。"),
        ),
    }
)
