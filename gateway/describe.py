"""The problem answers of this door, for the OpenAPI document."""

from gateway.errors import PROBLEMS
from kit.web.openapi import WITH_BODY, ProblemAnswers

__all__ = ["FOR_USER", "LIMITED", "WITH_BODY", "answers"]

answers = ProblemAnswers(PROBLEMS)
FOR_USER = ("token_missing", "token_invalid")
# What a route that takes work can answer when there is too much of it.
LIMITED = ("quota_exceeded", "capacity_reduced", "temporary_reduced_capacity", "answer_late")
