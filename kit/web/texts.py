"""Problem texts: for each stable code its HTTP status and what people read, in both languages."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kit.web.languages import Language


@dataclass(frozen=True, slots=True)
class ProblemText:
    """One code's answer. Texts may hold `{fact}` placeholders; `members` names the facts that the answer carries as
    fields of its own; `challenge` is the `WWW-Authenticate` that a 401 must have (RFC 9110, 11.6.1)."""

    status: int
    title: Mapping[Language, str]
    detail: Mapping[Language, str]
    members: tuple[str, ...] = ()
    challenge: str | None = None


def problem_text(
    status: int,
    en: tuple[str, str],
    zh: tuple[str, str],
    *,
    members: tuple[str, ...] = (),
    challenge: str | None = None,
) -> ProblemText:
    """A `ProblemText` from (title, detail) in English and in Chinese."""
    return ProblemText(
        status,
        MappingProxyType({"en": en[0], "zh-CN": zh[0]}),
        MappingProxyType({"en": en[1], "zh-CN": zh[1]}),
        members,
        challenge,
    )


# What every door can answer, whatever it serves.
GENERAL: Final[Mapping[str, ProblemText]] = MappingProxyType(
    {
        "bad_request": problem_text(
            400,
            ("Bad request", "This request cannot be read."),
            ("请求错误", "无法读取此请求。"),
        ),
        "malformed_json": problem_text(
            400,
            ("Malformed JSON", "The body is not valid JSON in UTF-8 (RFC 8259)."),
            ("JSON 格式错误", "请求体不是有效的 UTF-8 JSON（RFC 8259）。"),
        ),
        "key_missing": problem_text(
            400,
            (
                "Idempotency-Key missing",
                "Send an Idempotency-Key header of 1 to 64 visible ASCII characters.",
            ),
            ("缺少 Idempotency-Key", "请发送 Idempotency-Key 请求头：1 到 64 个可见 ASCII 字符。"),
        ),
        "token_missing": problem_text(
            401,
            ("Not signed in", "Send a user token: Authorization: Bearer <token>."),
            ("未登录", "请携带用户令牌：Authorization: Bearer <token>。"),
            challenge='Bearer realm="floodgate"',
        ),
        "token_invalid": problem_text(
            401,
            ("Token refused", "The user token is not valid or no longer valid; sign in again."),
            ("令牌无效", "用户令牌无效或已过期，请重新登录。"),
            challenge='Bearer realm="floodgate", error="invalid_token"',
        ),
        "not_found": problem_text(
            404, ("Not found", "There is nothing at this address."), ("未找到", "此地址不存在。")
        ),
        "method_not_allowed": problem_text(
            405,
            ("Method not allowed", "This address takes the methods named in Allow."),
            ("方法不允许", "此地址只接受 Allow 中列出的方法。"),
        ),
        "request_timeout": problem_text(
            408,
            ("Request not received in time", "The request did not arrive in time; send it again."),
            ("请求接收超时", "请求未能及时到达，请重新发送。"),
        ),
        "body_too_large": problem_text(
            413,
            ("Body too large", "The body may have at most {bytes_max} bytes."),
            ("请求体过大", "请求体最多 {bytes_max} 字节。"),
            members=("bytes_max",),
        ),
        "unsupported_content_type": problem_text(
            415,
            ("Unsupported content type", "Send the body as Content-Type: application/json."),
            ("不支持的内容类型", "请以 Content-Type: application/json 发送请求体。"),
        ),
        "invalid_request": problem_text(
            422,
            ("Invalid request", "The request is not as described; see errors."),
            ("请求无效", "请求不符合接口说明，详见 errors。"),
        ),
        "key_reused": problem_text(
            422,
            ("Idempotency-Key reused", "This key was used before with another request; take a new one."),
            ("Idempotency-Key 重复", "此键已用于另一请求，请换用新键。"),
        ),
        "headers_too_large": problem_text(
            431,
            ("Headers too large", "All header fields together may have at most {bytes_max} bytes."),
            ("请求头过大", "所有请求头合计最多 {bytes_max} 字节。"),
            members=("bytes_max",),
        ),
        "internal": problem_text(
            500,
            ("Internal error", "Something went wrong on our side; it has been noted."),
            ("内部错误", "服务器出现问题，已记录。"),
        ),
        "temporary_reduced_capacity": problem_text(
            503,
            (
                "Too busy right now",
                "More is asked than can be answered well; nothing was begun. Come back after Retry-After.",
            ),
            ("当前繁忙", "请求过多，暂时无法处理；未产生任何影响。请按 Retry-After 稍后重试。"),
        ),
        "answer_late": problem_text(
            503,
            (
                "No answer in time",
                "The answer did not come in time and what was asked may have been done; send the same request again.",
            ),
            ("未能及时答复", "未能在时限内得到结果，操作可能已生效；请重新发送同一请求。"),
        ),
        "unavailable": problem_text(
            503,
            ("Unavailable", "Something this needs is away for the moment; nothing was half done, try again."),
            ("暂不可用", "所需服务暂时不可用；未产生任何影响，请稍后重试。"),
        ),
    }
)
