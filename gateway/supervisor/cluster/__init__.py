"""Limits that several gateways share: tokens are taken from Redis ahead of need, so that no request waits for it."""
