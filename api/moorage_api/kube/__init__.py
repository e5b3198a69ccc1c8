"""The cluster: what the API reads of it, what it writes to it, and nothing else about it."""
