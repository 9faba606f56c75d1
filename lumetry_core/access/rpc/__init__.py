"""Servicers of logins, identities and the record of who changed what."""
