"""``headgate tune``: which values of a configuration are better than the user's, by how much, and with what confidence."""
