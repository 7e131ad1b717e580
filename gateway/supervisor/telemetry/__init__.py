"""What the gateway tells about itself, read from the shared memory and never from a worker."""
