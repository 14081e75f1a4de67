"""Users and their permissions of the Manage API: the team of this page.

Statuspage gives three permissions, this page three roles: an owner or an editor has all
three, a viewer none. The organization is the page.
"""

from flask import current_app
from pydantic import Field

from statuspage.domain.staff import members as staff
from statuspage.domain.staff.members import Role, Staff
from statuspage.domain.tokens import Scope
from statuspage.errors import Invalid
from statuspage.web.api_v1.operations import Call, OrNone, operation
from statuspage.web.api_v1.shapes import Moment, Shape, seconds
from statuspage.web.json_errors import Refused
from statuspage.web.operations import Body, Nothing

USERS = "/organizations/{organization_id}/users"
USER = "/organizations/{organization_id}/users/{user_id}"
PERMISSIONS = "/organizations/{organization_id}/permissions/{user_id}"


class User(Shape):
    id: str
    organization_id: str
    email: str
    first_name: str
    last_name: str
    created_at: Moment
    updated_at: Moment


class UserFields(Body):
    email: str = ""
    password: OrNone[str] = None
    """At least 12 characters; without one they sign in with a link from an owner."""
    first_name: OrNone[str] = None
    last_name: OrNone[str] = None


class UserBody(Body):
    user: UserFields


class Granted(Shape):
    page_id: str
    page_configuration: bool
    incident_manager: bool
    maintenance_manager: bool


class PermissionsOfUser(Shape):
    user_id: str
    pages: Granted


class Permissions(Shape):
    data: PermissionsOfUser


class GrantedFields(Body):
    page_configuration: bool = False
    incident_manager: bool = False
    maintenance_manager: bool = False


class PermissionsBody(Body):
    pages: dict[str, GrantedFields] = Field(default_factory=dict)
    """By page id."""


@operation("GET", USERS, needs=Scope.MANAGE, returns=list[User], query=("page", "per_page"))
def list_users(call: Call[Nothing]) -> list[User]:
    """Everyone who may sign in."""
    rows = [member for member in staff.listed() if member.is_active]
    return [_serialize(call, member) for member in call.window.of(rows)]


@operation("POST", USERS, needs=Scope.MANAGE, body=UserBody, returns=User, success=201)
def create_user(call: Call[UserBody]) -> User:
    """Add or restore a team member, as a viewer until permissions are given."""
    sent = call.body.user
    breached = current_app.config["SETTINGS"].breached_passwords
    before = staff.with_email(sent.email)
    if before is not None:
        staff.take_back(
            before,
            role=Role.VIEWER,
            password=sent.password,
            by=call.by,
            at=call.at,
            breached=breached,
        )
        return _serialize(call, before)
    name = " ".join(part for part in (sent.first_name, sent.last_name) if part)
    row = staff.create(
        sent.email,
        name=name,
        role=Role.VIEWER,
        password=sent.password,
        by=call.by,
        at=call.at,
        breached=breached,
    )
    return _serialize(call, row)


@operation("DELETE", USER, needs=Scope.MANAGE, returns=User)
def delete_user(call: Call[Nothing], user_id: str) -> User:
    """Lock a member out at once. The last owner cannot be locked out."""
    row = _find(user_id)
    staff.disable(row, by=call.by, at=call.at)
    return _serialize(call, row)


@operation("GET", PERMISSIONS, needs=Scope.MANAGE, returns=Permissions)
def read_permissions(call: Call[Nothing], user_id: str) -> Permissions:
    """Permissions of a member."""
    return _permissions(call, _find(user_id))


@operation("PUT", PERMISSIONS, needs=Scope.MANAGE, body=PermissionsBody, returns=Permissions)
def update_permissions(call: Call[PermissionsBody], user_id: str) -> Permissions:
    """All three permissions make an editor, none a viewer; an owner with all stays an owner."""
    row = _find(user_id)
    sent = call.body.pages.get(call.page.public_id, GrantedFields())
    granted = {sent.page_configuration, sent.incident_manager, sent.maintenance_manager}
    if granted == {True, False}:
        raise Invalid(
            pages="A person here has all three permissions or none: send all three, or none."
        )
    role = Role.EDITOR if granted == {True} else Role.VIEWER
    if not (role is Role.EDITOR and row.role is Role.OWNER):
        staff.set_role(row, role, by=call.by, at=call.at)
    return _permissions(call, row)


def _find(user_id: str) -> Staff:
    """Raises `Refused` (404)."""
    is_number = user_id.isascii() and user_id.isdecimal() and len(user_id) < 10
    row = staff.get(int(user_id)) if is_number else None
    if row is None or not row.is_active:
        raise Refused(404, "There is no team member with this id.")
    return row


def _permissions(call: Call[Body], row: Staff) -> Permissions:
    may = row.role is not Role.VIEWER
    return Permissions(
        data=PermissionsOfUser(
            user_id=str(row.id),
            pages=Granted(
                page_id=call.page.public_id,
                page_configuration=may,
                incident_manager=may,
                maintenance_manager=may,
            ),
        )
    )


def _serialize(call: Call[Body], row: Staff) -> User:
    first, _, last = row.name.partition(" ")
    created_at = seconds(row.created_at, call.page.zone)
    return User(
        id=str(row.id),
        organization_id=call.page.public_id,
        email=row.email,
        first_name=first,
        last_name=last,
        created_at=created_at,
        updated_at=created_at,
    )
