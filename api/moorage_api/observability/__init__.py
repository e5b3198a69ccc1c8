"""What an operator of the API sees of it: logs, metrics, liveness and readiness."""
