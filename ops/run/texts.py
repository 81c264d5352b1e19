"""What a run says to whoever watches it, in both languages. Pure."""

from typing import Final

from kit.web.languages import Language

TEXTS: Final[dict[str, dict[Language, str]]] = {
    "servers": {"en": "starting PostgreSQL and Redis", "zh-CN": "正在启动 PostgreSQL 与 Redis"},
    "clustered_servers": {
        "en": "starting a PostgreSQL primary with its synchronous standby and a Redis Cluster of six",
        "zh-CN": "正在启动 PostgreSQL 主库与同步备库，以及六节点 Redis 集群",
    },
    "migrations": {"en": "migrating the database", "zh-CN": "正在迁移数据库"},
    "processes": {
        "en": "starting gateway, worker, two keepers, console and provider simulator",
        "zh-CN": "正在启动网关、工作进程、两个值守进程、控制台与支付模拟器",
    },
    "sale": {
        "en": "sale {sale_id}: {units} units, opens in {seconds:.0f} s",
        "zh-CN": "活动 {sale_id}：共 {units} 件，{seconds:.0f} 秒后开抢",
    },
    "rest": {"en": "waiting until everything has come to rest", "zh-CN": "等待所有在途事务结束"},
    "judging": {"en": "judging what was promised", "zh-CN": "正在核对全部承诺"},
    "stopping": {"en": "stopping everything", "zh-CN": "正在停止全部进程"},
    "arrived": {"en": "arrived", "zh-CN": "已到场"},
    "waiting": {"en": "waiting", "zh-CN": "排队中"},
    "admitted": {"en": "admitted", "zh-CN": "已放行"},
    "reserved": {"en": "held", "zh-CN": "已锁定"},
    "confirmed": {"en": "confirmed", "zh-CN": "已确认"},
    "rewarded": {"en": "rewards", "zh-CN": "已发奖"},
    "requests": {"en": "requests", "zh-CN": "请求数"},
    "outcome": {"en": "How the sale went", "zh-CN": "活动结果"},
    "stages": {"en": "Stages", "zh-CN": "各环节"},
    "truths": {"en": "What must hold", "zh-CN": "必须成立的事"},
    "memory": {"en": "Memory", "zh-CN": "内存"},
    "durations": {"en": "Durations", "zh-CN": "用时"},
    "pages": {"en": "Pages", "zh-CN": "页面"},
    "all_held": {"en": "Everything that was promised holds.", "zh-CN": "全部承诺均成立。"},
    "not_held": {
        "en": "{count} of the promises do not hold; see {report}.",
        "zh-CN": "有 {count} 项承诺未成立，详见 {report}。",
    },
    "stays_up": {
        "en": "Everything stays up. Ctrl-C stops it.",
        "zh-CN": "系统继续运行，按 Ctrl-C 停止。",
    },
    "shopper_page": {"en": "shopper page", "zh-CN": "购物者页面"},
    "gateway_docs": {"en": "public API", "zh-CN": "公开接口"},
    "console_docs": {"en": "console API", "zh-CN": "控制台接口"},
    "simulator": {"en": "provider simulator", "zh-CN": "支付模拟器"},
    "metrics": {"en": "metrics of {name}", "zh-CN": "{name} 指标"},
    "environment": {
        "en": "the desk in another terminal",
        "zh-CN": "另开终端使用客服台",
    },
}


def say(language: Language, name: str, /, **facts: object) -> str:
    """The sentence `name` in `language`."""
    return TEXTS[name][language].format(**facts)
