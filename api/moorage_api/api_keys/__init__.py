"""API keys: credentials of one subject for one tenant, shown once and stored as an HMAC."""
