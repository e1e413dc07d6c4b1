"""What tells a server who is calling."""

from dataclasses import dataclass

from readstate.config import ServerSettings
from readstate.identity.directory import ClaimsDirectory, DatabaseDirectory, Directory
from readstate.identity.organizations import OrganizationIds
from readstate.identity.signing_keys import KeySource
from readstate.identity.tickets import Tickets
from readstate.identity.tokens import TokenVerifier
from readstate.rpc.unread.opening import Opening
from readstate.server.stores import Stores
from readstate.store.members import MemberStore


@dataclass(frozen=True, slots=True)
class Callers:
    """Tokens and tickets, members and organisations."""

    verifier: TokenVerifier
    directory: Directory
    org_ids: OrganizationIds
    tickets: Tickets
    opening: Opening


def callers(settings: ServerSettings, keys: KeySource, stores: Stores) -> Callers:
    """As the settings say it."""
    verifier = _verifier(settings, keys)
    directory = _directory(settings, stores.members)
    org_ids = OrganizationIds(stores.members)
    tickets = Tickets(stores.tickets, verifier, settings.token_leeway)
    return Callers(verifier, directory, org_ids, tickets, Opening(tickets, directory, org_ids))


def from_claims(settings: ServerSettings) -> bool:
    """Whether the token alone says who is a member of what."""
    return settings.directory == "claims"


def _verifier(settings: ServerSettings, keys: KeySource) -> TokenVerifier:
    return TokenVerifier(
        keys,
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        leeway=settings.token_leeway,
        org_claim=settings.token_org_claim,
    )


def _directory(settings: ServerSettings, members: MemberStore) -> Directory:
    if from_claims(settings):
        return ClaimsDirectory(members, start_read=settings.start_read)
    return DatabaseDirectory(members)
