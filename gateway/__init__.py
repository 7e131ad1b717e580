"""Headgate: an HTTP edge gateway, a single ingress in front of services, deployed from one config file."""
