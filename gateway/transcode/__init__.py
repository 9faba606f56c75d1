"""The kernel under every contract family: routes, reading requests, failures, credentials, streams and the OpenAPI document."""
