"""Tenants through the API: reads from the watch cache, writes to Kubernetes, no copy of their own."""
