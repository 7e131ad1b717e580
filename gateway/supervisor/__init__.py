"""The control plane: one process that decides everything slow and never touches a request."""
