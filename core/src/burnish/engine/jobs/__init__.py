"""One module a job kind: from values to a value."""
