"""Logging in and changing passwords: the verbs that span transactions, since checking a password is slow and must not hold one open."""

from lumetry_core.access.login_rate import LoginRate
from lumetry_core.access.model import MAX_USERNAME_LENGTH, USERNAME, RateSettings, Settings, TokenPair, invalid, name_key, unauthenticated
from lumetry_core.access.passwords import PasswordChecker, hash_password
from lumetry_core.access.service.sessions import record_failed_login, refresh_session, start_session
from lumetry_core.access.service.users import change_password, check_password
from lumetry_core.access.store import users as user_store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults, LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin


class LoginDesk:
    """Takes passwords and refresh tokens, gives access tokens and new passwords."""

    def __init__(self, database: Database, clock: Clock, settings: Settings, rates: RateSettings) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._rate = LoginRate(rates.login_per_minute)
        self._passwords = PasswordChecker()

    async def login(self, username: str, password: str, origin: Origin) -> TokenPair:
        """Starts a login session.

        An unknown user, a wrong password and a deactivated user take the same steps and give the same answer.

        Fails with UNAUTHENTICATED, RATE_LIMITED, STORE_UNAVAILABLE.
        """
        key = (name_key(username[: MAX_USERNAME_LENGTH + 1]), origin.address or "")
        wait_seconds = self._rate.admit(key, self._clock.now())
        if wait_seconds:
            raise LumetryError(Reason.RATE_LIMITED, "Too many login attempts.", retry_after_seconds=str(wait_seconds))
        async with self._database.read() as tx:
            # What cannot be a name is nobody's, and some of it no database can look up.
            candidate = await user_store.find_login_candidate(tx, username) if USERNAME.fullmatch(username) else None
        right = await self._passwords.check(candidate.password_hash if candidate else None, password)
        pair = None
        async with self._database.write() as tx:
            if right and candidate is not None and candidate.is_active:
                pair = await start_session(tx, candidate, origin, self._settings, self._clock.now())
            if pair is None:
                await record_failed_login(tx, username, candidate, origin, self._clock.now())
        if pair is None:
            raise unauthenticated()
        return pair

    async def refresh(self, refresh_token: str, origin: Origin) -> TokenPair:
        """Exchanges a refresh token for the next pair; a used one ends its session. Fails with UNAUTHENTICATED."""
        async with self._database.write() as tx:
            pair = await refresh_session(tx, refresh_token, origin, self._settings, self._clock.now())
        # Only now: the end of a session must be committed, not rolled back with the failure.
        if pair is None:
            raise unauthenticated()
        return pair

    async def change_password(self, caller: Caller, current_password: str, new_password: str) -> None:
        """Gives the caller another password and ends the caller's other sessions.

        Fails with VALIDATION_FAILED (`currentPassword`, `newPassword`), RATE_LIMITED, STORE_UNAVAILABLE.
        """
        faults = Faults()
        check_password(faults, "newPassword", new_password)
        faults.raise_if_any()
        key = (name_key(caller.user_name or ""), caller.address or "")
        wait_seconds = self._rate.admit(key, self._clock.now())
        if wait_seconds:
            raise LumetryError(Reason.RATE_LIMITED, "Too many attempts.", retry_after_seconds=str(wait_seconds))
        async with self._database.read() as tx:
            candidate = await user_store.find_login_candidate(tx, caller.user_name or "")
        right = await self._passwords.check(candidate.password_hash if candidate else None, current_password)
        if candidate is None or not right:
            raise invalid("currentPassword", "is wrong")
        password_hash = await hash_password(new_password)
        async with self._database.write() as tx:
            await change_password(tx, caller, candidate, password_hash, self._clock.now())
