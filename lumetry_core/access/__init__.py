"""Who may do what: organizations, users, roles, credentials, and the record of who changed what.

Owns: organization, user, role, API token, login session, collector credential, audit row, revision.
Words: a *secret* is what a caller presents; its SHA-256 *digest* is all that is stored of it, next to a visible *prefix*. A *kind* of
credential is bound to the RPCs that name it. *Effective* permissions are the owner's current ones, narrowed by the credential.
Tables: `organizations`, `users`, `roles`, `user_roles`, `api_tokens`, `login_sessions`, `login_tokens`, `collector_credentials`,
`audit_logs`, `revisions`.
Queues in: none. Queues out: none. Wakes the channel `credentials` whenever a credential dies before its time.
"""
