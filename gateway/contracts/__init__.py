"""The documented JSON contracts, one package per family. Families do not know each other."""
