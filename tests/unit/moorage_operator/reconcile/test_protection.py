"""The mark by which an admission policy knows a protected tenant's namespace."""

from typing import Any

from moorage_crds import labels
from tests.unit.moorage_operator.reconcile.builders import keys, pass_once, steady
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster


def mark(cluster: FakeCluster) -> str | None:
    annotations: dict[str, Any] = cluster.get("Namespace", "tenant-acme")["metadata"]["annotations"]
    return annotations.get(labels.DELETION_PROTECTION)


def test_a_protected_tenants_namespace_is_marked_from_its_first_moment() -> None:
    assert mark(steady(deletionProtection=True)) == "true"


def test_a_tenant_that_was_never_protected_has_no_mark() -> None:
    assert mark(steady()) is None


def test_the_mark_follows_the_spec_by_one_write_each() -> None:
    cluster = steady()
    for protected, expected in ((True, "true"), (False, "false"), (True, "true")):
        cluster.change_spec("Tenant", "acme", {"deletionProtection": protected})
        assert keys(pass_once(cluster))[0] == "apply Namespace tenant-acme"
        assert mark(cluster) == expected
        pass_once(cluster)
        assert pass_once(cluster) == ()


def test_a_mark_that_somebody_took_away_is_put_back() -> None:
    cluster = steady(deletionProtection=True)
    cluster.edit("Namespace", "tenant-acme", ("metadata", "annotations", labels.DELETION_PROTECTION), None)
    assert keys(pass_once(cluster)) == ["apply Namespace tenant-acme"]
    assert mark(cluster) == "true"


def test_a_retained_namespace_is_left_without_protection() -> None:
    cluster = steady(deletionProtection=True, deletionPolicy="Retain")
    cluster.change_spec("Tenant", "acme", {"deletionProtection": False})
    cluster.edit("Tenant", "acme", ("metadata", "deletionTimestamp"), "2026-03-01T00:00:00Z")
    assert keys(pass_once(cluster))[0] == "apply Namespace tenant-acme"
    assert mark(cluster) == "false"
    labelled = cluster.get("Namespace", "tenant-acme")["metadata"]["labels"]
    assert (labelled[labels.TENANT], labelled["pod-security.kubernetes.io/enforce"]) == ("acme", "restricted")
    while ("Tenant", None, "acme") in cluster.objects:
        assert pass_once(cluster)
    assert mark(cluster) == "false"
