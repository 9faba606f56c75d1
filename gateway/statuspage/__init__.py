"""The public status page: its HTML, its files, and how much of them a client may ask for. Nothing here names a contract."""
