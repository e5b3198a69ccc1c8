"""The API of Moorage: control plane, gateway and vectors in one process.

Separate from the operator because it serves people and programs over HTTP; both meet in ``moorage_crds`` alone.
"""

BASE_PATH = "/api/v1"
"""Every route but the probes starts with it."""
