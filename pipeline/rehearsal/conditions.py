"""Conditions of tasks, in the part of CEL that TFX emits.

For example `(inputs.artifacts['report'].artifacts[0].metadata['rows'] > 100.0)`. CEL's operators
are Python's under other signs, so Python's parser reads them; what it finds beyond that part is
refused.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Mapping
from typing import Any

from common.errors import UserError

_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|&&|\|\||!(?!=)")
# `~` binds as tightly as CEL's `!`; Python's `not` does not.
_SIGNS = {"&&": " and ", "||": " or ", "!": "~"}
_COMPARE = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class Condition:
    """When a task is to run.

    Args:
        text: The expression.

    Raises:
        UserError: If it says more than TFX's conditions do.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        python = _TOKEN.sub(lambda match: _SIGNS.get(match[0], match[0]), text)
        try:
            self._tree = ast.parse(python.strip(), mode="eval").body
        except SyntaxError as error:
            raise self._refused(text) from error
        for node in ast.walk(self._tree):
            self._check(node)

    def holds(self, inputs: Mapping[str, list[Any]], parameters: Mapping[str, Any]) -> bool:
        """Whether it is true.

        Args:
            inputs: Input artifacts of the task, by key.
            parameters: Its parameters.

        Raises:
            UserError: If it cannot be told, on Vertex neither.
        """
        scope = {
            "artifacts": {key: {"artifacts": found} for key, found in inputs.items()},
            "parameters": {"values": dict(parameters)},
        }
        try:
            value = _evaluate(self._tree, scope)
        except (KeyError, IndexError, TypeError) as error:
            raise self._undecided(f"{type(error).__name__}: {error}") from error
        if not isinstance(value, bool):
            raise self._undecided(f"it is {value!r}")
        return value

    def _check(self, node: ast.AST) -> None:
        allowed = (
            *(ast.BoolOp, ast.And, ast.Or, ast.Compare, ast.Attribute, ast.Subscript, ast.Load),
            *(*_COMPARE, ast.BinOp, ast.Add, ast.UnaryOp, ast.USub, ast.Invert, ast.Constant),
        )
        if isinstance(node, ast.Name):
            if node.id not in ("inputs", "true", "false"):
                raise self._refused(node.id)
        elif not isinstance(node, allowed):
            raise self._refused(ast.unparse(node))
        if isinstance(node, ast.Compare) and len(node.ops) > 1:
            raise self._refused(ast.unparse(node))

    def _refused(self, part: str) -> UserError:
        return UserError(
            f"The condition {self.text!r} has {part!r}, which is not rehearsed.",
            "Use TFX's own conditions, or teach pipeline/rehearsal/conditions.py.",
        )

    def _undecided(self, why: str) -> UserError:
        return UserError(
            f"The condition {self.text!r} can't be decided ({why}).",
            "Compare values of the same type, that the artifact has.",
        )


def _evaluate(node: ast.AST, scope: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return float(node.value) if type(node.value) is int else node.value
    if isinstance(node, ast.Name):
        return {"inputs": scope, "true": True, "false": False}[node.id]
    if isinstance(node, ast.Attribute):
        return _evaluate(node.value, scope)[node.attr]
    if isinstance(node, ast.Subscript):
        key = _evaluate(node.slice, scope)
        return _evaluate(node.value, scope)[int(key) if isinstance(key, float) else key]
    if isinstance(node, ast.BoolOp):
        combined = any if isinstance(node.op, ast.Or) else all
        return combined(_truth(value, scope) for value in node.values)
    if isinstance(node, ast.UnaryOp):
        if isinstance(node.op, ast.Invert):
            return not _truth(node.operand, scope)
        return -_evaluate(node.operand, scope)
    if isinstance(node, ast.Compare):
        left, right = _alike(_evaluate(node.left, scope), _evaluate(node.comparators[0], scope))
        return _COMPARE[type(node.ops[0])](left, right)
    if isinstance(node, ast.BinOp):
        left, right = _alike(_evaluate(node.left, scope), _evaluate(node.right, scope))
        return left + right
    raise TypeError(f"{ast.unparse(node)} has no value")


def _truth(node: ast.AST, scope: Mapping[str, Any]) -> bool:
    value = _evaluate(node, scope)
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """CEL compares only what is of the same type; all numbers of a spec are doubles."""
    left, right = (float(v) if type(v) is int else v for v in (left, right))
    if type(left) is not type(right):
        raise TypeError(f"{left!r} and {right!r} are of different types")
    return left, right
