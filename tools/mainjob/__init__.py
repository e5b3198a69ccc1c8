"""The main job of the repository: from a bare machine to a real inference and a real vector search.

Separate from ``localcluster``, which knows Kubernetes and nothing of Moorage. Standard library only.
"""
