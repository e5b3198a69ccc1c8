"""What one writes after an hour with Kopf's tutorial: the yardstick beside Moorage's operator.

Separate from the bench's driver because it is a program of its own: create and update handlers, a typed and
synchronous client, the same children. It is no caricature: it is how most operators on Kopf are built.
"""
