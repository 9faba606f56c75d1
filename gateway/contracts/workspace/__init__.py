"""The envelope family below `/api/v1`. It has no routes yet; unknown paths there already answer in its shape."""
