"""A real single-node Kubernetes on a Linux machine without Docker, and a bare control plane for tests.

A package of its own, using the standard library alone, because it runs before anything is installed.
"""
