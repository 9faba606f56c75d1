"""Says which permissions are missing in a cluster, and how to grant them. Pure."""

import re
from collections.abc import Sequence

from lumetry_core.containers.kubernetes_objects import RESOURCES
from lumetry_core.containers.places import EngineError, RuntimeFault

USER = re.compile(r'User "(?P<user>[^"]+)"')
ACCOUNT = "system:serviceaccount:"
GRANTED = ",".join([*(resource.spelled for resource in RESOURCES), "pods/log"])
"""What metrics need is left out: where nobody serves them the command would fail."""
MAX_NAMESPACES = 3


def explain_missing(verb: str, missing: Sequence[tuple[str, str]], told: str) -> EngineError:
    """Names what may not be done, by whom, and the commands that allow it.

    Args:
        verb: What was tried, for example `list`.
        missing: Resources as `kubectl` names them, each with its namespace; no namespace: in the whole cluster.
        told: What the server said of one of them.
    """
    found = USER.search(told)
    user = found["user"] if found else "this process"
    namespaces = list(dict.fromkeys(namespace for _, namespace in missing))
    resources = ", ".join(dict.fromkeys(resource for resource, _ in missing))
    told_namespaces = ", ".join(namespaces[:MAX_NAMESPACES]) + (", …" if len(namespaces) > MAX_NAMESPACES else "")
    where = f"in the namespace{'s' if len(namespaces) > 1 else ''} {told_namespaces}" if namespaces[0] else "in the whole cluster"
    subject = f"--serviceaccount={user.removeprefix(ACCOUNT)}" if user.startswith(ACCOUNT) else f"--user={user}"
    kind, scope = ("role", f" --namespace={namespaces[0]}") if namespaces[0] else ("clusterrole", "")
    command = f"kubectl create {kind} lumetry{scope} --verb=get,list,watch --resource={GRANTED}"
    if found:
        command += f" && kubectl create {kind}binding lumetry{scope} --{kind}=lumetry {subject}"
    more = ", in each of these namespaces" if len(namespaces) > 1 else ""
    return EngineError(
        RuntimeFault.PERMISSION_DENIED,
        f"{user} may not {verb} {resources} {where}. Lumetry only reads; grant it{more}: {command}"
        + ("" if namespaces[0] else ". Or watch some namespaces only: LUMETRY_K8S_NAMESPACES."),
    )
