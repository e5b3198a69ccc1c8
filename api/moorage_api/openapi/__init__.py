"""The OpenAPI document, served as a route of its own so that it declares its permission like every other."""
