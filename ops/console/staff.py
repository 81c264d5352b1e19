"""Who may ask: staff tokens with roles, checked before anything is read."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from kit.identity import Identities, Identity
from kit.web.bearer import bearer_identity
from ops.desk.audit import Viewer
from ops.desk.errors import RoleMissing

# Declares the scheme in the OpenAPI document; the check itself gives this door's own problem answers.
_scheme = HTTPBearer(auto_error=False, bearerFormat="JWT", scheme_name="staff")


def require_role(identities: Identities, roles: frozenset[str]) -> Callable[..., Viewer]:
    """A dependency: the viewer, if the token carries one of `roles`. Raises `TokenMissing`, `TokenInvalid`,
    `RoleMissing`."""

    def viewer(request: Request, _: Annotated[object, Depends(_scheme)]) -> Viewer:
        return admit(bearer_identity(request, identities), roles)

    return viewer


def admit(identity: Identity, roles: frozenset[str]) -> Viewer:
    """The identity as a viewer of the console. Raises `RoleMissing`."""
    if not identity.roles & roles:
        raise RoleMissing(roles=", ".join(sorted(roles)))
    return Viewer(actor=identity.user_id, door="console", roles=identity.roles)
