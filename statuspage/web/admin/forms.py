"""What the desk's forms have in common: text in, values out, refusals by the field.

A form turns words into values (`12 %` into a decimal, a local time into UTC).
Whether a value is allowed the domain decides, with `Invalid`.
"""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from werkzeug.datastructures import MultiDict
from wtforms import Field, HiddenField, StringField, TextAreaField, ValidationError
from wtforms import Form as WTForm
from wtforms.widgets import DateTimeLocalInput, HiddenInput

from statuspage.domain.claims import Claim
from statuspage.domain.components.models import Component
from statuspage.domain.incidents.models import Facts, UpdateInput
from statuspage.domain.statuses import ComponentStatus, Impact, IncidentStatus
from statuspage.errors import Invalid
from statuspage.lib.markdown import clean
from statuspage.web.admin import local_time

_SHARE = re.compile(r"(\d{1,3})(?:[.,](\d{1,2}))?\s*%?")


class Form(WTForm):
    """A form with a nonce: sent twice, it does its work once."""

    nonce = HiddenField()

    def __init__(self, formdata: MultiDict[str, str] | None = None, **values: Any) -> None:
        super().__init__(formdata, **values)
        self.others: list[str] = []
        if not self.nonce.data:
            self.nonce.data = secrets.token_urlsafe(18)

    def show(self, invalid: Invalid) -> None:
        """Put each refusal by the field it names; the rest above the form."""
        for name, sentence in invalid.errors.items():
            if name in self:
                self[name].errors = [*self[name].errors, sentence]
            else:
                self.others.append(sentence)

    @property
    def problems(self) -> list[tuple[str | None, str]]:
        """(id of the field or None, sentence) of everything that is wrong."""
        problems_found: list[tuple[str | None, str]] = [
            (None, sentence) for sentence in self.others
        ]
        for input_field in self:
            target = (
                f"{input_field.id}-0" if isinstance(input_field, StepsField) else input_field.id
            )
            problems_found += [(target, str(error)) for error in input_field.errors]
        return problems_found


def words(value: object) -> object:
    """A WTForms filter: text without the characters that no feed may carry."""
    return clean(value) if isinstance(value, str) else value


def optional(value: object) -> object:
    """A WTForms filter: nothing instead of blank text."""
    return (clean(value).strip() or None) if isinstance(value, str) else value


class StepsField(StringField):
    """One of a few: radio buttons that look like a row of steps. `choices`: value → label."""

    def __init__(
        self, label: str, *, choices: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(label, **more)
        self.choices = dict(choices or {})


class MomentField(Field):
    """A local time in the page's zone ↔ an aware UTC moment, None when blank.

    When the clock shows it twice, `name-fold` (0 or 1) says which one is meant. A
    time that was not touched keeps the seconds that the input cannot show.
    """

    widget = DateTimeLocalInput()

    def __init__(self, label: str, *, required: bool = False, **more: Any) -> None:
        super().__init__(label, **more)
        self.required = required
        self.fold: int | None = None
        self.is_twice = False

    def process(self, formdata: Any, *rest: Any, **more: Any) -> None:
        chosen = formdata.get(f"{self.name}-fold") if formdata else None
        self.fold = int(chosen) if chosen in {"0", "1"} else None
        super().process(formdata, *rest, **more)

    def process_formdata(self, valuelist: list[str]) -> None:
        if not valuelist:
            return
        self.data = None
        text, zone = valuelist[0].strip(), local_time.zone()
        if not text:
            return
        value = self.object_data
        if (
            isinstance(value, datetime)
            and local_time.typed(value, zone) == text
            and self.fold is None
        ):
            self.data = value
            return
        try:
            self.data = local_time.parse(text, zone, fold=self.fold)
        except local_time.AmbiguousTimeError:
            self.is_twice = True
            raise
        self.is_twice = self.fold is not None

    def pre_validate(self, form: Any) -> None:
        """Refuse a required time that is blank or was not sent."""
        if self.required and self.data is None and not self.process_errors:
            raise ValidationError("Enter a date and a time.")

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return local_time.typed(self.data, local_time.zone()) if self.data else ""


class VersionField(Field):
    """The version that a form was opened on, None when there was none yet.

    What was tampered with becomes -1, which never stands.
    """

    widget = HiddenInput()

    def process_formdata(self, valuelist: list[str]) -> None:
        text = valuelist[0] if valuelist else ""
        is_number = text.isdecimal() and len(text) < 10
        self.data = (int(text) if is_number else -1) if text else None


# ── components in a form ───────────────────────────────────────────────────────


@dataclass
class Row:
    """One component as it stands in a form; `share` and `scope` as typed."""

    component: Component
    is_on: bool
    status: ComponentStatus
    share: str = ""
    scope: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        return f"claim-{self.component.public_id}"


class ClaimRows:
    """The components of a form: which are affected, how badly, how many, whom.

    `present` is what stands now and fills an empty form.
    """

    def __init__(
        self,
        components: Sequence[Component],
        formdata: MultiDict[str, str] | None,
        present: Mapping[Component, Claim],
        *,
        is_maintenance: bool = False,
    ) -> None:
        self.usual = (
            ComponentStatus.UNDER_MAINTENANCE
            if is_maintenance
            else ComponentStatus.DEGRADED_PERFORMANCE
        )
        self.present = dict(present)
        if formdata is None:
            self.rows = [self._standing(component) for component in components]
        else:
            self.rows = [self._typed(component, formdata) for component in components]
        self.data: dict[Component, Claim] = {}

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    @property
    def first(self) -> list[Row]:
        """What is affected or has an error, or simply all when there are few."""
        if len(self.rows) <= 8:
            return self.rows
        return [row for row in self.rows if self._matters(row)]

    @property
    def rest(self) -> list[Row]:
        return [row for row in self.rows if row not in self.first]

    def validate(self) -> bool:
        """Read the rows into `data`; false when one of them cannot be read."""
        self.data = {}
        for row in self.rows:
            share: Decimal | None = None
            try:
                share = parse_share(row.share) if row.is_on else None
            except ValueError as error:
                row.errors["share"] = str(error)
            if self._outlived(row, share):
                row.share, share = "", None
            if not row.is_on and self._was_set(row):
                row.errors["status"] = "Tick the box as well to include this component."
            if row.is_on and self._says_nothing(row):
                row.errors["status"] = "Choose how it is affected, or untick it."
            if row.is_on:
                self.data[row.component] = self._claim(row, share)
        return not any(row.errors for row in self.rows)

    def show(self, invalid: Invalid) -> set[str]:
        """Put refusals by the rows they are about; returns the field names that were placed."""
        placed = set()
        for row in self.rows:
            claim = self.data.get(row.component)
            if claim is None:
                continue
            if "share" in invalid.errors and claim.share is not None and claim.share > 100:
                row.errors["share"] = invalid.errors["share"]
                placed.add("share")
            if "scope" in invalid.errors and len(claim.scope or "") > 120:
                row.errors["scope"] = invalid.errors["scope"]
                placed.add("scope")
        return placed

    def _claim(self, row: Row, share: Decimal | None) -> Claim:
        """What was typed. A share and scope left from a worse status ended with it."""
        claim, before = Claim(row.status, share, row.scope or None), self.present.get(row.component)
        if before is None or claim.status.severity >= before.status.severity:
            return claim
        is_left = (claim.share, claim.scope) == (before.share, before.scope)
        return Claim(claim.status) if is_left else claim

    def _matters(self, row: Row) -> bool:
        return row.is_on or bool(row.errors) or row.component in self.present

    def _outlived(self, row: Row, share: Decimal | None) -> bool:
        """The status was changed, and the share is still the one of the earlier status."""
        before = self.present.get(row.component)
        return before is not None and row.status is not before.status and share == before.share

    def _says_nothing(self, row: Row) -> bool:
        """Ticked as operational, and it was not affected before."""
        before = self.present.get(row.component)
        was_affected = before is not None and before.status is not ComponentStatus.OPERATIONAL
        return row.status is ComponentStatus.OPERATIONAL and not was_affected

    def _was_set(self, row: Row) -> bool:
        before = self.present.get(row.component)
        usual = before.status if before else self.usual
        return row.status not in {usual, ComponentStatus.OPERATIONAL}

    def _standing(self, component: Component) -> Row:
        claim = self.present.get(component)
        if claim is None:
            return Row(component, False, self.usual)
        is_on = claim.status is not ComponentStatus.OPERATIONAL
        share = f"{show_share(claim.share)}" if claim.share is not None else ""
        return Row(component, is_on, claim.status, share, claim.scope or "")

    def _typed(self, component: Component, formdata: MultiDict[str, str]) -> Row:
        prefix = f"claim-{component.public_id}"
        status = formdata.get(f"{prefix}-status", self.usual.value)
        row = Row(
            component,
            f"{prefix}-on" in formdata,
            self.usual,
            clean(formdata.get(f"{prefix}-share", "")).strip(),
            clean(formdata.get(f"{prefix}-scope", "")).strip(),
        )
        try:
            row.status = ComponentStatus(status)
        except ValueError:
            row.errors["status"] = "Choose a status for this component."
        return row


def parse_share(text: str) -> Decimal | None:
    """`12 %`, `12,5%` or `12.5` as a decimal, None when blank. Raises `ValueError`."""
    text = text.strip()
    if not text:
        return None
    match = _SHARE.fullmatch(text)
    if match is None:
        raise ValueError("Enter the share as a percentage, such as 12 %.")
    return Decimal(f"{match[1]}.{match[2] or 0}").quantize(Decimal("0.01"))


def show_share(share: Decimal) -> str:
    """`12 %`, `12.5 %`."""
    return f"{share.quantize(Decimal('0.01')).normalize():f} %"


# ── incidents ──────────────────────────────────────────────────────────────────

NEXT_UPDATE_CHOICES = {"15": "15 min", "30": "30 min", "60": "1 h", "120": "2 h", "": "None"}


class ClaimsForm(Form):
    """A form with component rows. `rows` must be given before it is validated."""

    rows: ClaimRows

    def validate(self, *args: Any, **kwargs: Any) -> bool:
        rows_are_fine = self.rows.validate()
        return bool(super().validate(*args, **kwargs)) and rows_are_fine

    def show(self, invalid: Invalid) -> None:
        placed = self.rows.show(invalid)
        rest = {name: text for name, text in invalid.errors.items() if name not in placed}
        super().show(Invalid(**rest))

    @property
    def problems(self) -> list[tuple[str | None, str]]:
        problems_found = super().problems
        for row in self.rows:
            problems_found += [
                (f"{row.prefix}-{name}", f"{row.component.name}: {sentence}")
                for name, sentence in row.errors.items()
            ]
        return problems_found


class FactsForm(Form):
    """The three facts that customers look for."""

    who_is_affected = StringField("Who is affected", filters=[words])
    what_still_works = StringField("What still works", filters=[words])
    what_you_can_do = StringField("What customers can do", filters=[words])

    @property
    def facts(self) -> Facts:
        return Facts(
            self.who_is_affected.data or None,
            self.what_still_works.data or None,
            self.what_you_can_do.data or None,
        )


class UpdateFieldsForm(ClaimsForm, FactsForm):
    """Where it stands, the message, the promise: what every post to a timeline says."""

    status = StepsField("Status")
    body = TextAreaField("Message", filters=[words])
    promise = StepsField("Next update by", choices=NEXT_UPDATE_CHOICES, default="30")

    def validate_status(self, chosen: StepsField) -> None:
        """Refuse words that are no step of this kind."""
        if chosen.data not in self.status.choices:
            raise ValidationError("Choose a status.")

    def validate_promise(self, chosen: StepsField) -> None:
        """Refuse lengths that are not offered."""
        if (chosen.data or "") not in NEXT_UPDATE_CHOICES:
            raise ValidationError("Choose when the next update is due.")

    @property
    def step(self) -> IncidentStatus:
        return IncidentStatus(self.status.data or "")

    def next_update_by(self, now: datetime) -> datetime | None:
        minutes = self.promise.data
        if not minutes or minutes not in NEXT_UPDATE_CHOICES:
            return None
        return now + timedelta(minutes=int(minutes))

    def update(self, now: datetime) -> UpdateInput:
        """What the verbs take."""
        return UpdateInput(
            status=self.step,
            body=self.body.data or "",
            claims=self.rows.data,
            facts=self.facts,
            next_update_by=self.next_update_by(now),
        )


IMPACTS = {
    "": "From the components",
    **{impact.value: impact.label for impact in Impact if impact is not Impact.MAINTENANCE},
}


def parse_impact(word: str | None) -> Impact | None:
    """The impact that staff state, None when it follows from the components.

    Raises `Invalid` on a word that is not offered.
    """
    if word and word not in IMPACTS:
        raise Invalid(impact_override="Choose an impact.")
    return Impact(word) if word else None
