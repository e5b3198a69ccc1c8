"""Weaviate as a backend: layout of a collection, lowering of filters, connections, and the store itself."""
