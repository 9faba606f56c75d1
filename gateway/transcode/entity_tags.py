"""Entity tags: whether a client has the present form of an answer already."""


def read_tags(header: str) -> frozenset[str]:
    """The entity tags of a header, weak or not, compared as the same."""
    return frozenset(tag.strip().removeprefix("W/") for tag in header.split(","))


def is_known(header: str, tag: str) -> bool:
    """Whether an `If-None-Match` says that the client has what this tag marks."""
    tags = read_tags(header)
    return tag in tags or "*" in tags
