"""The proxy in front of every tenant's own Triton: authenticate, route, pass the bytes on, name things back.

Separate from the control plane because a request here costs tenths of a millisecond: no body is parsed, nothing is
read but the watch cache.
"""
