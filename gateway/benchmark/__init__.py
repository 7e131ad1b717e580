"""``headgate bench`` and ``headgate tune``: loads a gateway, measures what it does, and says only what the figures carry.

A gateway is driven from outside, as a process or by its URL: nothing here imports the supervisor or a worker.
"""
