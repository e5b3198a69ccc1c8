"""Rendering a folder of templates into manifests.

Separate from the contexts because how values get into YAML is a question of safety, not of content: every expression
is written as JSON, which is YAML, so no value can add a key or a document, and an undefined name is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from moorage_crds.encoding import as_yaml
from moorage_templates.contexts import Context

_PACKAGE = __package__ or "moorage_templates"
_SUFFIX = ".yaml.j2"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader in C is ten times faster; wheels have it, a bare build may not."""


def _written(value: Any) -> str:
    """Return a template's value as YAML; raises UndefinedError for an undefined name."""
    if isinstance(value, StrictUndefined):
        str(value)
    return as_yaml(value)


_ENVIRONMENT = Environment(
    loader=PackageLoader(_PACKAGE, "."),
    undefined=StrictUndefined,
    finalize=_written,
    # What leaves a template is JSON inside YAML; HTML's escapes would spoil it.
    autoescape=False,  # noqa: S701
    trim_blocks=True,
    lstrip_blocks=True,
)

# Jinja's own functions would hide a name that a context lacks.
_ENVIRONMENT.globals.clear()


@lru_cache(maxsize=64)
def _templates(folder: str) -> tuple[Template, ...]:
    paths = resources.files(_PACKAGE).joinpath(folder).iterdir()
    found = sorted(path.name for path in paths if path.name.endswith(_SUFFIX))
    return tuple(_ENVIRONMENT.get_template(f"{folder}/{name}") for name in found)


@dataclass(frozen=True, slots=True)
class _Told:
    """A context by what it says: it holds maps, so that it cannot be a key itself."""

    words: str
    context: Context = field(compare=False)


def render(folder: str, context: Context) -> tuple[Mapping[str, Any], ...]:
    """Return the manifests of a folder, in the order of their file names.

    Equal results are the same object, so never change one. Raises ``jinja2.UndefinedError`` when ``context`` lacks a
    name.
    """
    return _rendered(folder, _Told(repr(context), context))


def render_secret(folder: str, context: Context) -> tuple[Mapping[str, Any], ...]:
    """Return the same as ``render``, but keep neither the context nor anything made of it."""
    return tuple(_loaded(text) for text in _texts(folder, context))


@lru_cache(maxsize=256)
def _rendered(folder: str, told: _Told) -> tuple[Mapping[str, Any], ...]:
    """Render; most contexts of tenants say the same, and telling that takes a tenth of rendering them."""
    return tuple(_parse(text) for text in _texts(folder, told.context))


def _texts(folder: str, context: Context) -> Iterator[str]:
    values = {one.name: getattr(context, one.name) for one in fields(context)}
    return (template.render(values) for template in _templates(folder))


@lru_cache(maxsize=512)
def _parse(text: str) -> Mapping[str, Any]:
    """Return the object a rendered template describes; parsing takes 1 ms, and tenants share most texts."""
    return _loaded(text)


def _loaded(text: str) -> Mapping[str, Any]:
    manifest: Mapping[str, Any] = yaml.load(text, Loader=_Loader)  # noqa: S506, both candidates are safe loaders
    return manifest
