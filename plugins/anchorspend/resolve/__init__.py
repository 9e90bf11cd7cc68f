"""Resolve: which supplier records of institutions are the same supplier, and which registered body that is."""

from anchorspend.resolve.decisions import Question, decide, review, undo
from anchorspend.resolve.run import Run, resolve

__all__ = ["Question", "Run", "decide", "resolve", "review", "undo"]
