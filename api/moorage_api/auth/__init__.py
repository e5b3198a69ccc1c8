"""Who calls, and what they may do: credentials, sessions and the rule that every route applies."""
