"""Refusals of a model's routes."""

from __future__ import annotations

from moorage_crds.errors import ConflictError


class NoRevisionError(ConflictError):
    """The model has no revision that this could be about, or is pinned to one."""

    code = "no-revision"
