"""People and history in SQL: tables, connections and migrations. Tenants and models are never here."""
