import gc
from dataclasses import replace
from typing import Any

import pytest
import yaml
from jinja2 import UndefinedError

from moorage_crds.encoding import as_yaml
from moorage_templates import BindingContext, CredentialsContext, render, render_secret
from moorage_templates.render import _ENVIRONMENT

BINDING = BindingContext(name="moorage-admin", cluster_role="moorage-tenant-admin", subjects=())

HOSTILE = [
    "plain",
    "x\n  evil: true",
    '"}, evil: {"',
    "{{ name }}",
    "{% raw %}",
    "yes",
    "1e3",
    "~",
    "# no comment",
    "&anchor",
    "\u2028line\u0085break",
    "\x7f\x00\x1b",
    "\U0001f600 smile",
    "back\\slash \\ud83d\\ude00",
]


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_no_value_leaves_its_place(value: str) -> None:
    (manifest,) = render("binding", replace(BINDING, name=value))
    assert manifest["metadata"] == {"name": value}


@pytest.mark.parametrize("value", [*HOSTILE, None, True, 1, 1.5, [], {}, ["a", {"b": None}]], ids=repr)
@pytest.mark.parametrize("loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)])
def test_yaml_reads_back_what_was_written(value: Any, loader: type[yaml.SafeLoader]) -> None:
    text = as_yaml(value)
    assert "\n" not in text
    assert yaml.load(text, Loader=loader) == value  # noqa: S506, both are safe loaders


def test_an_undefined_name_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'missing' is undefined"):
        _ENVIRONMENT.from_string("name: {{ missing }}").render()


def test_a_list_becomes_a_list_without_filters() -> None:
    subjects = ({"kind": "User", "name": "alice"}, {"kind": "Group", "name": "devs"})
    (manifest,) = render("binding", replace(BINDING, subjects=subjects))
    assert manifest["subjects"] == list(subjects)


def test_an_unknown_folder_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        render("nothing", CredentialsContext(data={}, annotations={}))


def test_equal_contexts_share_one_result_and_others_have_their_own() -> None:
    found = render("binding", BINDING)
    assert render("binding", replace(BINDING)) is found
    assert render("binding", replace(BINDING, cluster_role="other")) != found


def test_nothing_is_kept_of_a_secret() -> None:
    secret = {"key": "bm90LWtlcHQ="}
    assert render_secret("credentials", CredentialsContext(data=secret, annotations={}))[0]["data"] == secret
    assert [one for one in gc.get_objects() if isinstance(one, dict) and one.get("data") == secret] == []
