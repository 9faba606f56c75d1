"""The verbs of projects."""

from lumetry_core.projects.service.links import find_linked_projects, list_hidden_projects, replace_links
from lumetry_core.projects.service.projects import (
    check_change,
    check_new,
    create,
    default_project,
    delete,
    find_project,
    find_visible,
    get_project,
    is_settled,
    list_projects,
    settle,
    update,
)

__all__ = [
    "check_change",
    "check_new",
    "create",
    "default_project",
    "delete",
    "find_linked_projects",
    "find_project",
    "find_visible",
    "get_project",
    "is_settled",
    "list_hidden_projects",
    "list_projects",
    "replace_links",
    "settle",
    "update",
]
