"""Whose page the public sees."""

from lumetry_core.access.service.organizations import list_organizations
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import not_found


class PublicOrganization:
    """The organization of the deployment's one public page, looked up once."""

    def __init__(self, slug: str) -> None:
        """Builds it.

        Args:
            slug: Of the organization that the operator names; empty: the first one.
        """
        self._slug = slug
        self._id: int | None = None

    async def find(self, tx: Transaction) -> int | None:
        """Its number; None while there is none."""
        if self._id is None:
            organizations = await list_organizations(tx)
            self._id = next((each.id for each in organizations if self._slug in ("", each.slug)), None)
        return self._id

    async def get(self, tx: Transaction) -> int:
        """Its number. Fails with NOT_FOUND."""
        found = await self.find(tx)
        if found is None:
            raise not_found("Organization", self._slug)
        return found
