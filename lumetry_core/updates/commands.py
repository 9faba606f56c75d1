"""Shell commands for people: how to take an update, and how to go back. Names come from containers, so every word is quoted."""

from shlex import quote

from lumetry_core.updates.model import Target, Update
from lumetry_core.updates.tags import UpdateType

KUBERNETES = "kubernetes"


def spell_update(target: Target, update: Update) -> str:
    """The command that takes an update."""
    if target.runtime_type == KUBERNETES and target.unit:
        if update.update_type is UpdateType.DIGEST_ONLY:
            return f"{kubectl(target)} rollout restart {controller(target)}"
        return f"{kubectl(target)} set image {controller(target)} {quote(f'*={update.image}:{update.latest_tag}')}"
    if target.unit:
        service = quote(target.unit)
        return f"docker compose pull {service} && docker compose up -d {service}"
    return f"docker pull {quote(f'{update.image}:{update.latest_tag}')}{hint(target)}"


def spell_rollback(target: Target, update: Update) -> str | None:
    """The command that goes back to what ran when the update was found; None when its digest had to be known and is not."""
    if target.runtime_type == KUBERNETES and target.unit:
        return f"{kubectl(target)} rollout undo {controller(target)}"
    tagged = f"{update.image}:{update.current_tag}" if update.current_tag else ""
    if update.current_digest:
        exact = quote(f"{update.image}@{update.current_digest}")
        steps = [f"docker pull {exact}", *([f"docker tag {exact} {quote(tagged)}"] if tagged else [])]
    elif tagged and update.update_type is not UpdateType.DIGEST_ONLY:
        steps = [f"docker pull {quote(tagged)}"]
    else:
        return None
    if target.unit:
        return " && ".join([*steps, f"docker compose up -d {quote(target.unit)}"])
    return f"{' && '.join(steps)}{hint(target)}"


def hint(target: Target) -> str:
    """What people have to do besides, as a comment, which ends at the end of the line."""
    name = "".join(character if character.isprintable() else "?" for character in target.name)
    return f"  # then create the container {name} anew from it"


def kubectl(target: Target) -> str:
    """The tool, pointed at the namespace."""
    return f"kubectl -n {quote(target.namespace)}" if target.namespace else "kubectl"


def controller(target: Target) -> str:
    """What runs the pods."""
    return quote(f"{(target.controller_kind or 'deployment').lower()}/{target.unit}")
