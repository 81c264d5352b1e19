"""The course of one run, once the system is up: sale, crowd, perhaps a killed process, rest, judgement, report."""

import asyncio
import json
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import httpx

from kit.clock import Clock
from kit.errors import DomainError
from ops.desk.census import judge_shoppers
from ops.desk.places import place_finder
from ops.invariants.history import History, HistoryUnreadable
from ops.invariants.judge import judge
from ops.invariants.rows import Row, unjudged
from ops.invariants.truths import Bounds
from ops.planning.salefile import apply, parse
from ops.run.crowd import Crowd, send_crowd
from ops.run.demo import demo_sale
from ops.run.machine import measured_on
from ops.run.memory import MemoryWatch
from ops.run.plan import RunPlan
from ops.run.report import Report
from ops.run.rows import Findings, run_rows
from ops.run.show import Show
from ops.run.siege import Siege
from ops.run.standing import read_standing, wait_for_rest
from ops.run.stores import Stores, misbehave, open_stores
from ops.run.strike import Striker
from ops.run.system import Running

REST_SECONDS_MAX: Final = 60.0  # the longest way: a hold, its late payment, a refund whose first call failed


@dataclass(slots=True)
class Course:
    """One run. `began` is when it was typed, on the monotonic clock."""

    plan: RunPlan
    running: Running
    show: Show
    clock: Clock
    began: float
    sale_id: str = ""
    durations: dict[str, float] = field(default_factory=dict)
    _crowd: Crowd | None = None

    async def run(self) -> Report:
        """The report. What is still running when it is cancelled is ended by its context."""
        memory = MemoryWatch(self._roots)
        self.durations["start"] = time.monotonic() - self.began
        async with open_stores(self.running.urls, self.running.environment) as stores:
            watching = asyncio.create_task(memory.run())
            try:
                findings = await self._hold_sale(stores)
                truths = await self._judge(stores)
                await asyncio.to_thread(memory.sample)
            finally:
                watching.cancel()
            machine = await measured_on(stores.postgres, stores.redis)
        total = self.durations["total"] = time.monotonic() - self.began
        rows = run_rows(self.plan, findings, duration_seconds=total, memory_bytes=memory.peak_total)
        report = Report(
            rows=[*rows, *truths],
            measured_on=machine,
            sale_id=self.sale_id,
            crowd=findings.crowd,
            struck=findings.struck,
            memory=memory.peaks,
            durations=self.durations,
        )
        report.write(self.plan.report)
        return report

    async def _hold_sale(self, stores: Stores) -> Findings:
        began = time.monotonic()
        found = Findings()
        if self.plan.faults:
            await misbehave(self.plan, self.running)
        opens_at = await self._apply_sale(stores)
        if not self.plan.crowd:
            return found
        siege = Siege(self.plan, self._striker(stores), stores.postgres, self.sale_id)
        found.crowd_exit = await self._crowd_under_siege(siege, opens_at)
        found.struck = siege.struck
        with suppress(DomainError):
            found.at_crowds_end = await read_standing(stores.postgres, self.sale_id)
        self.durations["sale"] = time.monotonic() - began
        self.show.step("rest")
        found.at_rest = await wait_for_rest(
            stores.postgres, self.sale_id, stores.book, seconds_max=REST_SECONDS_MAX
        )
        self.durations["rest"] = time.monotonic() - began - self.durations["sale"]
        found.crowd = _read_summary(self.plan)
        return found

    async def _apply_sale(self, stores: Stores) -> datetime:
        now = self.clock.now()
        opens_at = now + timedelta(seconds=self.plan.opens_in_seconds)
        sale_file = parse(self.plan.sale_file.read_text(encoding="utf-8"))
        self.sale_id = f"demo-{now:%m%d-%H%M%S}-{secrets.token_hex(3)}"
        demo = demo_sale(
            sale_file,
            sale_id=self.sale_id,
            units=self.plan.units,
            opens_at=opens_at,
            with_crowd=self.plan.crowd > 0,
            rate_per_second_max=self.plan.rate_per_second_max,
        )
        async with stores.postgres.unit_of_work() as session:
            await apply(session, demo, actor="demo")
        await _until_shown(self.plan, self.sale_id)
        self.show.step(
            "sale", sale_id=self.sale_id, units=self.plan.units, seconds=self.plan.opens_in_seconds
        )
        return opens_at

    def _striker(self, stores: Stores) -> Striker:
        return Striker(self.plan, self.running, stores, self.sale_id, self.show.line)

    async def _crowd_under_siege(self, siege: Siege, opens_at: datetime) -> int:
        async with send_crowd(self.plan, self.sale_id) as self._crowd, asyncio.TaskGroup() as tasks:
            tasks.create_task(siege.run((opens_at - self.clock.now()).total_seconds()))
            with self.show.watching():
                async for snapshot in self._crowd.follow():
                    self.show.crowd(snapshot)
            siege.end()
            return await self._crowd.exit_code()

    async def _judge(self, stores: Stores) -> list[Row]:
        began = time.monotonic()
        self.show.step("judging")
        history = self.plan.history if self.plan.crowd else None
        rows = await judge(
            stores.postgres,
            stores.redis.stock,
            stores.redis.queue,
            stores.book,
            history,
            sale_id=self.sale_id,
            bounds=Bounds.closing(),
        )
        rows.append(await self._census(stores))
        self.durations["judgement"] = time.monotonic() - began
        return rows

    async def _census(self, stores: Stores) -> Row:
        try:
            users = History.read(self.plan.history).users if self.plan.crowd else ()
            return await judge_shoppers(
                stores.postgres, place_finder(stores.redis.queue), self.sale_id, users
            )
        except (DomainError, HistoryUnreadable, OSError):
            return unjudged("shoppers_one_state", "every shopper has one state and one reason")

    def _roots(self) -> dict[str, int]:
        states = self.running.supervisor.states()
        return {
            **self.running.server_pids,
            "supervisord": self.running.supervisor.pid,
            **{name: state.pid for name, state in states.items()},
            "crowd": 0 if self._crowd is None else self._crowd.pid,
        }


async def _until_shown(plan: RunPlan, sale_id: str, *, seconds_max: float = 15.0) -> None:
    """The gateway reads sales and rooms once a second; a crowd that is faster would find a closed shop."""
    deadline = time.monotonic() + seconds_max
    async with httpx.AsyncClient(timeout=5) as client:
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                answer = await client.get(f"{plan.gateway_url}/v1/sales/{sale_id}/queue")
                if answer.status_code == 200 and answer.json().get("state") in {"prequeue", "open"}:
                    return
            await asyncio.sleep(0.2)


def _read_summary(plan: RunPlan) -> dict[str, Any]:
    try:
        summary: dict[str, Any] = json.loads(plan.summary.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return summary
