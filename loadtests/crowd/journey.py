"""The whole visit of one shopper, from the front page to the reward, as its character has it."""

from typing import Final

from loadtests.crowd.buying import Buying, give_back
from loadtests.crowd.forger import forge
from loadtests.crowd.paying import Paying
from loadtests.crowd.personas import Exit, Persona, Shopper
from loadtests.crowd.scene import Scene
from loadtests.crowd.visit import Over, Visit

CRASHED: Final = "crowd_fault"


async def go(scene: Scene, shopper: Shopper, planned_at: float) -> None:
    """One visit; its outcome is counted whatever happens. Never raises but to be cancelled."""
    visit = Visit(scene, shopper)
    scene.arrived += 1
    outcome = "cut_short"
    try:
        outcome = await (forge(visit) if shopper.persona is Persona.FORGER else _shop(visit, planned_at))
    except Over as over:
        outcome = over.outcome
    except Exception as error:  # noqa: BLE001 - one shopper's bad luck must not end the others' visits
        scene.figures.errors[f"{CRASHED} {type(error).__name__}: {error}"] += 1
        outcome = CRASHED
    finally:
        visit.settle()
        scene.ended += 1
        scene.figures.outcomes[shopper.persona][outcome] += 1


async def _shop(visit: Visit, planned_at: float) -> str:
    await visit.sign_in()
    visit.leave_if(Exit.SIGNED_IN)
    await visit.join(planned_at)
    visit.leave_if(Exit.JOINED)
    await visit.wait_turn()
    await visit.admit()
    visit.leave_if(Exit.ADMITTED)
    hold = await Buying(visit).hold()
    if visit.shopper.persona is Persona.RELEASER:
        await give_back(visit, hold)
        return "released"
    paying = Paying(visit, hold)
    if visit.shopper.exit_after is Exit.PAYMENT_OPENED:
        await paying.open_payment()
        return await paying.wait_out()
    if visit.shopper.persona is Persona.ABANDONER:
        return await paying.wait_out()
    return await paying.through()
