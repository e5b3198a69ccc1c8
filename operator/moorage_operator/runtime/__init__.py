"""Everything of the operator that does I/O or waits: queue, informers, client, lease, and the loop that joins them.

Separate from ``reconcile``, which decides and touches nothing.
"""
