"""What staff look up is written down in the transaction that reads it: no row, no answer."""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kit.ids import new_id
from kit.postgres import WriteSession
from ops.desk.masks import mask_text
from ops.models import AuditEntry


@dataclass(frozen=True, slots=True)
class Viewer:
    """A member of staff, by the door they came through (console, cli)."""

    actor: str
    door: str
    roles: frozenset[str] = frozenset()


async def write_audit(
    session: WriteSession, viewer: Viewer, action: str, *, user_id: str | None, details: dict[str, Any]
) -> UUID:
    """The id of the new entry. The subject is masked like every shown text; `subject_digest` finds exact matches."""
    entry = AuditEntry(
        entry_id=new_id(),
        actor=viewer.actor,
        action=action,
        subject="search" if user_id is None else f"user/{mask_text(user_id)}",
        details={
            "door": viewer.door,
            "roles": sorted(viewer.roles),
            **({} if user_id is None else {"subject_digest": subject_digest(user_id)}),
            **details,
        },
    )
    session.add(entry)
    await session.flush()
    return entry.entry_id


def subject_digest(user_id: str) -> str:
    """Tells one subject from another without showing it; an aid for auditors, not a secret."""
    return hashlib.blake2b(user_id.encode(), digest_size=16).hexdigest()
