"""Host agents: processes on monitored hosts that collect what they are told to and are looked after from here.

Owns: enrollment profiles, host agents with their heartbeats, what runs on their hosts, rule packs, tags, and the placement in clusters.
Words: a *profile* admits agents by its token, so many and so long; an *installation* is a state directory, which keeps its agent when it
enrolls again; an agent is *disabled* when it shall collect nothing, and goes on beating; it is *revoked* when its credential is void for
good; a *rule pack* says which metrics an agent collects; an *identity* is what processes on several hosts are the same by.
Tables: `agent_enrollment_profiles`, `host_agents`, `host_agent_tags`, `agent_tags`, `agent_rule_packs`, `host_process_reports`,
`host_processes`, `monitored_processes`, `monitored_parts`.
Queues: none.
"""
