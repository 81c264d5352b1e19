"""What the desk can refuse, as business facts."""

from kit.errors import DomainError


class RoleMissing(DomainError):
    """The caller's roles do not open this door. Facts: `roles`, those that would."""

    code = "role_missing"


class SearchUnclear(DomainError):
    """A search names exactly one of a phone and a reservation."""

    code = "search_unclear"
