"""What of this machine an image build may see, and in which form."""

from __future__ import annotations

from localcluster.hostpip import pip_conf

LISTING = """\
global.index-url='https://mirror.example/simple'
global.cert='/somewhere/ca.pem'
install.no-binary='thing'
:env:.index-url='https://closer.example/simple'
:env:.find-links='/wheels'
:env:.default-timeout='180'
"""


def test_environment_wins_over_files() -> None:
    assert pip_conf(LISTING, with_ca=False).get("global", "index-url") == "https://closer.example/simple"


def test_sections_and_options_are_kept() -> None:
    conf = pip_conf(LISTING, with_ca=False)
    assert conf.get("install", "no-binary") == "thing"
    assert conf.get("global", "default-timeout") == "180"


def test_paths_of_this_machine_are_left_out() -> None:
    conf = pip_conf(LISTING, with_ca=False)
    assert not conf.has_option("global", "find-links")
    assert not conf.has_option("global", "cert")


def test_ca_bundle_is_named_where_the_build_mounts_it() -> None:
    assert pip_conf(LISTING, with_ca=True).get("global", "cert") == "/run/secrets/ca"


def test_no_configuration_gives_an_empty_file() -> None:
    assert pip_conf("", with_ca=False).items("global") == []
