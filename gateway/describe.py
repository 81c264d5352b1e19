"""The problem answers of this door, for the OpenAPI document."""

from gateway.errors import PROBLEMS
from kit.web.openapi import WITH_BODY, ProblemAnswers

__all__ = ["FOR_USER", "WITH_BODY", "answers"]

answers = ProblemAnswers(PROBLEMS)
FOR_USER = ("token_missing", "token_invalid")
