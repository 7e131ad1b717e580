"""What clients notice of instances that come and go: a service of thousands, changed a thousand times a second."""
