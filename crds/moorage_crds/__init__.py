"""The one vocabulary of Moorage: resources, names, labels, conditions, permissions and errors.

Separate because operator, agent and API must agree on every word here and may never import each other.
Depends on Pydantic alone.
"""

GROUP = "moorage.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
