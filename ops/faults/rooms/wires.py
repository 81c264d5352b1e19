"""What a wire does to a sale in its middle, whichever store lies behind it; each answers what shows that it happened."""

from kit.embedded.wire import Mishap, Wire
from ops.faults.room import Room


async def late(room: Room, wire: Wire, delay_seconds: float, *, ask_seconds: float) -> str:
    """Every answer comes late while bystanders ask for `ask_seconds`."""
    served = await room.middle()
    wire.delay_seconds = delay_seconds
    await room.ask(ask_seconds)
    wire.heal()
    answers = wire.counts["delayed"]
    return f"{answers} answers {delay_seconds:g} s late from {served} served on" if answers else ""


async def mishaps(
    room: Room,
    wire: Wire,
    mishap: Mishap,
    what: str,
    *,
    asked: bytes,
    times: tuple[int, int],
    ask_seconds: float,
) -> str:
    """Between so and so many `times` a request that holds `asked` meets `mishap`; `what` says that in words."""
    served = await room.middle()
    wire.next(mishap, times=room.dice.randint(*times), asked=asked)
    await room.ask(ask_seconds)
    wire.heal()
    met = wire.counts[mishap]
    return f"{met} {what} from {served} served on" if met else ""
