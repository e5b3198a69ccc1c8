"""The model agent: makes its Triton pod hold the revisions that the operator wants, and says so.

Separate from the operator because it runs beside each Triton, in an image of its own, and keeps a pod serving
while everything else is down.
"""
