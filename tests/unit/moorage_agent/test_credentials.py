"""Whose Secret a source may use, for which host, and that no error tells what is in it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from yarl import URL

from moorage_agent.errors import FetchError, KubeError, SecretNotUsableError
from moorage_agent.sources.credentials import Credentials, Keyring, parse
from moorage_crds import labels, names
from moorage_crds.modeldeployment import Source
from moorage_crds.schema import SecretReference
from tests.unit.moorage_agent.build import secret
from tests.unit.moorage_agent.fakekube import FakeKube, running

if TYPE_CHECKING:
    from pathlib import Path

HOST = "models.example"


def naming(name: str) -> Source:
    reference = SecretReference(name=name)
    return Source(uri=f"https://{HOST}/m.zip", sha256="0" * 64, credentials_secret_ref=reference)


class Reader:
    """Secrets by name; a number is the status of a refusal, of which there may be several in a row."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def read_secret(self, name: str) -> dict[str, Any]:
        self.asked.append(name)
        answers = self.answers[name]
        answer = answers.pop(0) if isinstance(answers, list) else answers
        if isinstance(answer, int):
            raise KubeError(answer, f"GET .../secrets/{name} answered {answer}")
        found: dict[str, Any] = answer
        return found


async def read(reader: Reader, name: str = "mine") -> Credentials | None:
    return await Keyring(reader, pauses=(0, 0)).of(naming(name))


async def test_a_source_without_a_secret_asks_for_none() -> None:
    reader = Reader()
    assert await Keyring(reader).of(Source(uri=f"https://{HOST}/m.zip", sha256="0" * 64)) is None
    assert reader.asked == []


async def test_a_labelled_secret_is_used() -> None:
    found = await read(Reader(mine=secret(token="t0ken")))
    assert found is not None
    assert found.authorization() == "Bearer t0ken"


async def test_a_right_that_was_just_granted_is_waited_for() -> None:
    reader = Reader(mine=[403, 403, secret(token="t0ken")])
    assert await read(reader) is not None
    assert reader.asked == ["mine"] * 3


@pytest.mark.parametrize(("status", "words"), [(404, "there is no Secret mine"), (403, "may not be read")])
async def test_a_secret_that_cannot_be_read_is_not_usable(status: int, words: str) -> None:
    with pytest.raises(SecretNotUsableError, match=words):
        await read(Reader(mine=status))


async def test_an_absent_api_server_says_nothing_about_the_secret() -> None:
    with pytest.raises(FetchError) as raised:
        await read(Reader(mine=0))
    assert not isinstance(raised.value, SecretNotUsableError)


@pytest.mark.parametrize("name", [names.CREDENTIALS, "moorage-anything"])
async def test_moorages_own_secrets_are_not_even_read(name: str) -> None:
    reader = Reader()
    with pytest.raises(SecretNotUsableError, match="Moorage's own"):
        await read(reader, name)
    assert reader.asked == []


async def test_a_secret_is_read_by_name_from_the_pods_own_namespace(tmp_path: Path) -> None:
    async with running(FakeKube(secrets={"mine": secret(token="t0ken")}), tmp_path) as kube:
        found = await Keyring(kube, pauses=()).of(naming("mine"))
        assert found is not None
        with pytest.raises(SecretNotUsableError, match="there is no Secret other"):
            await Keyring(kube, pauses=()).of(naming("other"))


UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "no label": ({"labels": {}}, labels.SOURCE_CREDENTIALS),
    "a label of another value": ({"labels": {labels.SOURCE_CREDENTIALS: "yes"}}, labels.SOURCE_CREDENTIALS),
    "a service account's token": ({"type": "kubernetes.io/service-account-token"}, "type"),
    "a registry's login": ({"type": "kubernetes.io/dockerconfigjson"}, "type"),
    "a value of two lines": ({"data": {"token": base64.b64encode(b"a\nX-Evil: b").decode()}}, "no line of text"),
    "a value that is no text": ({"data": {"token": base64.b64encode(b"\xff\x00").decode()}}, "no line of text"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_secret_that_is_not_meant_for_sources_is_refused(case: str) -> None:
    changes, words = UNUSABLE[case]
    with pytest.raises(SecretNotUsableError, match=words):
        parse(secret(token="t0ken", **changes))


HOSTS: dict[str, tuple[str, str, bool]] = {
    "the host": (HOST, f"https://{HOST}/m", True),
    "one of several": (f"a.example, {HOST} ,b.example", f"https://{HOST}/m", True),
    "in capitals": ("Models.Example", f"https://{HOST}/m", True),
    "the usual port, written": (f"{HOST}:443", f"https://{HOST}/m", True),
    "another port, written": (f"{HOST}:8443", f"https://{HOST}:8443/m", True),
    "another port, not written": (HOST, f"https://{HOST}:8443/m", False),
    "a host below": (HOST, f"https://evil.{HOST}/m", False),
    "a host that ends alike": (HOST, f"https://evil-{HOST}/m", False),
    "a user that looks like the host": (HOST, f"https://{HOST}@evil.example/m", False),
    "no host at all": ("", f"https://{HOST}/m", False),
}


@pytest.mark.parametrize("case", HOSTS)
def test_credentials_are_for_the_hosts_of_the_annotation_alone(case: str) -> None:
    hosts, address, is_allowed = HOSTS[case]
    credentials = parse(secret(hosts, token="t0ken"))
    if is_allowed:
        credentials.check(URL(address))
    else:
        with pytest.raises(SecretNotUsableError, match=labels.HOSTS):
            credentials.check(URL(address))


def test_a_user_and_password_are_sent_as_such_and_a_files_last_line_break_is_not() -> None:
    found = parse(secret(username="u\n", password="p:w\n"))
    assert found.authorization() == "Basic " + base64.b64encode(b"u:p:w").decode()


@pytest.mark.parametrize("values", [{}, {"username": "u"}, {"password": "p"}, {"accessKeyID": "x"}])
def test_keys_that_mean_nothing_are_refused_without_their_values(values: dict[str, str]) -> None:
    with pytest.raises(SecretNotUsableError, match="lacks token, or username and password"):
        parse(secret(**values)).authorization()


def test_values_do_not_show_in_logs() -> None:
    assert "t0ken" not in repr(parse(secret(token="t0ken")))
