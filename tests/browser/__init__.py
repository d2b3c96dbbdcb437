"""The real stack, looked at with a real browser."""
