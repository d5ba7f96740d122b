"""The texts of trials: prompts, choices and labels."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase

from .schema import Design, Question

NONE = "none"
SAME, DIFFERENT = "same", "different"
SECONDS: dict[Design, int] = {
    "best-of-n": 12,
    "2afc": 7,
    "rating": 7,
    "naming": 6,
    "same-different": 6,
}
"""Assumed seconds for one answer, from which the approximate duration of a form is computed."""

_PICK: dict[Question, str] = {
    "expression": "Which picture shows the expression “{target}” {best}?",
    "identity": "In which picture is it {most} clearly the same person as in the original?",
    "realism": "Which picture looks {most} real, as if nobody had changed it?",
}
_RATE: dict[Question, str] = {
    "expression": "How well does the picture show the expression “{target}”?",
    "identity": "How clearly is it the same person as in the original?",
    "realism": "How real does the picture look, as if nobody had changed it?",
}
_ENDS: dict[Question, tuple[str, str]] = {
    "expression": ("not at all", "perfectly"),
    "identity": ("surely another person", "surely the same person"),
    "realism": ("not real at all", "completely real"),
}


def prompt(design: Design, question: Question, target: str) -> str:
    """Return the prompt of a trial."""
    target = target.replace("-", " ")
    if design == "naming":
        return "Which expression does this face show?"
    if design == "same-different":
        return "Do both pictures show the same person?"
    if design == "rating":
        return _RATE[question].format(target=target)
    most, best = ("more", "better") if design == "2afc" else ("most", "best")
    return _PICK[question].format(target=target, most=most, best=best)


def instructed(design: Design, label: str) -> str:
    """Return the prompt of an attention check, whose only correct answer is ``label``."""
    thing = "picture" if design in ("best-of-n", "2afc") else "answer"
    return f"To show that you read each question, please choose {thing} “{label}” here."


def has_reference(design: Design, question: Question) -> bool:
    """Whether the original is shown above the images to judge."""
    if design == "rating":
        return question != "realism"
    return design != "naming"


def answers(
    design: Design, question: Question, slots: int, scale: int, expressions: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the choices of a trial and their labels.

    Args:
        design: The design of the study.
        question: The question of the trial.
        slots: The number of images to choose from.
        scale: The number of points of a rating.
        expressions: The expressions that a face can be named.
    """
    if design == "naming":
        words = tuple(name.replace("-", " ") for name in expressions)
        return (*expressions, NONE), (*words, "none of these, or I cannot tell")
    if design == "same-different":
        return (SAME, DIFFERENT), ("same person", "different people")
    if design == "rating":
        points = tuple(str(point) for point in range(1, scale + 1))
        low, high = _ENDS[question]
        return points, (f"1 = {low}", *points[1:-1], f"{scale} = {high}")
    letters = tuple(ascii_uppercase[:slots])
    return letters, letters
