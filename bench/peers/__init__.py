"""CPU time per proxied request, measured side by side with other gateways that are configured for the same job."""
