"""Subjects: people, and the service accounts that programs act as."""
