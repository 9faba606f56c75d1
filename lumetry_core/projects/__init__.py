"""What logs, monitors and other signals belong to.

Owns: projects, the settings that decide how a project's logs are kept, and links to the monitors, nodes and metrics of a project.
Words: the *default* project is there in every organization and catches what names no other; a *private* project's record is seen by its
owner only, which hides none of its signals; a *slug* is a project's name in addresses and in log entries; a *link* says that a project has
a monitor, a topology node with all below it, or a metric, which several projects may.
Tables: `projects`, `project_links`.
Queues: none.
"""
