"""Who may do what: organizations, users, roles, credentials, and the record of who changed what.

Owns: organization, user, role, identity at an OpenID provider, API token, login session, log key, workspace key, credentials of collectors,
host agents and alert sources, rate, audit row, revision, what an organization sets for itself, and the version that fences evaluation off
from changes of what it judges by.
Words: a *secret* is what a caller presents; its SHA-256 *digest* is all that is stored of it, next to a visible *prefix*. A *kind* of
credential is bound to the RPCs that name it. *Effective* permissions are the owner's current ones, narrowed by the credential; *scopes*
narrow a workspace key besides. A login is *stepped up* while it is fresh.
Tables: `organizations`, `users`, `roles`, `user_roles`, `api_tokens`, `login_sessions`, `login_tokens`, `log_keys`, `workspace_keys`,
`collector_credentials`, `source_credentials`, `agent_credentials`, `agent_enrollment_tokens`, `oidc_logins`, `oidc_identities`,
`rate_buckets`, `audit_logs`, `revisions`, `evaluation_versions`, `organization_settings`.
Queues in: none. Queues out: none. Wakes the channel `credentials` whenever a credential dies before its time or its permissions
change.
"""
