"""Which instances a service has: sources that find them, and the merge that decides what is applied."""
