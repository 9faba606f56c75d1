"""The envelope family: everything below `/api/v1` that no other family claims."""
