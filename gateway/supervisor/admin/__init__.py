"""The admin plane: liveness, readiness, metrics and status over HTTP, in the supervisor's own loop."""
