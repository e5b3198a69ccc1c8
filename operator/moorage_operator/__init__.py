"""The operator: turns Tenants and ModelDeployments into namespaces, policies, workloads and revisions.

``reconcile`` decides and touches nothing; ``runtime`` talks to the API server; ``handlers`` is the Kopf shell.
"""
