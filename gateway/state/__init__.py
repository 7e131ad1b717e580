"""The only door to ``gateway._native``: what runs per request, and the memory that all processes share."""
