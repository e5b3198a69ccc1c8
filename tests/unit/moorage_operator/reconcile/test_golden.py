"""The manifests of an example tenant, to be read as prose; ``--update`` writes them anew."""

import json
from pathlib import Path

import yaml

from moorage_crds.tenant import parse_spec
from moorage_operator.reconcile.desired import desired
from tests.unit.moorage_operator.reconcile.builders import SETTINGS, steady

GOLDEN = Path(__file__).parents[3] / "data/golden/tenant-acme.yaml"

EXAMPLE = {
    "displayName": "Acme Corp",
    "members": [
        {"kind": "User", "name": "alice", "role": "admin"},
        {"kind": "Group", "name": "data-science", "role": "developer"},
    ],
    "quota": {"cpu": "8", "memory": "16Gi", "storage": "100Gi", "pods": 20},
    "inference": {"replicas": 2, "resources": {"limits": {"cpu": "2", "memory": "4Gi"}}, "nodeSelector": {"pool": "a"}},
    "vectorStore": {"storage": {"size": "20Gi"}, "resources": {"limits": {"memory": "2Gi"}}},
    "network": {"egress": {"mode": "PublicHTTPS", "cidrs": ["198.51.100.0/24"]}},
}


def test_the_example_tenant_gets_what_the_golden_file_says(update: bool) -> None:
    manifests = desired(steady(**EXAMPLE).world(), parse_spec({"spec": EXAMPLE}), SETTINGS)
    without_aliases = json.loads(json.dumps(manifests))
    text = yaml.safe_dump_all(without_aliases, sort_keys=False, width=120)
    if update:
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()
