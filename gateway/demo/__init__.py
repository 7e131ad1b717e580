"""The sample services that ``headgate demo`` puts behind the gateway, each a process of its own."""
