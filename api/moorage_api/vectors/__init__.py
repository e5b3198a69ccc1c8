"""Collections and their objects: upsert, get, delete and search in the tenant's own vector store.

Separate from the stores themselves: a backend is what passes the conformance suite, and nothing here knows which.
"""
