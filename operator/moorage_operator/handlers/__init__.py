"""The Kopf shell: login, startup and cleanup, probes, and events that do nothing but name a tenant.

Separate from ``runtime`` so that Kopf could be replaced, or its handlers read, in a minute.
"""
