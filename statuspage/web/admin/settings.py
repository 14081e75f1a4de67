"""The page's own settings: name, address, zone, texts, colours, logo."""

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import FileField, StringField, TextAreaField

from statuspage import clock
from statuspage.domain import page_settings
from statuspage.domain.page_settings import Page, PageEdit
from statuspage.domain.staff.members import Permission
from statuspage.web.admin.forms import Form, optional, words
from statuspage.web.admin.permissions import current_actor, requires
from statuspage.web.admin.submit import save

bp = Blueprint("settings", __name__, url_prefix="/settings")


class PageForm(Form):
    name = StringField("Name", filters=[words])
    url = StringField("Public URL", filters=[optional])
    time_zone = StringField("Time zone", filters=[words], default="Etc/UTC")
    about = TextAreaField("About this page", filters=[words])
    footer = TextAreaField("Footer", filters=[words])
    support_url = StringField("Support link", filters=[optional])
    accent = StringField("Link colour, light", filters=[optional])
    accent_dark = StringField("Link colour, dark", filters=[optional])


class LogoForm(Form):
    logo = FileField("Logo")


@bp.get("")
@requires(Permission.VIEW)
def show() -> ResponseReturnValue:
    return _page(PageForm(obj=page_settings.get()))


@bp.post("")
@requires(Permission.CONFIGURE)
def edit() -> ResponseReturnValue:
    form = PageForm(request.form)

    def act() -> str:
        now = clock.now()
        page = page_settings.get()
        if page is None:
            page = page_settings.create(form.name.data or "", by=current_actor(), at=now)
        page_settings.edit(
            page,
            PageEdit(
                name=form.name.data or "",
                time_zone=(form.time_zone.data or "").strip(),
                url=form.url.data,
                about=form.about.data or "",
                footer=form.footer.data or "",
                support_url=form.support_url.data,
                accent=form.accent.data,
                accent_dark=form.accent_dark.data,
            ),
            by=current_actor(),
            at=now,
        )
        return url_for("admin.settings.show")

    return save(form, act, said="Settings saved.", again=lambda: _page(form))


@bp.post("/logo")
@requires(Permission.CONFIGURE)
def set_logo() -> ResponseReturnValue:
    page = page_settings.get() or abort(404)
    form = LogoForm(request.form)
    upload = request.files.get("logo")
    image = upload.read(page_settings.MAX_LOGO_BYTES + 1) if upload and upload.filename else None
    if image is None and "remove" not in request.form:
        return redirect(url_for("admin.settings.show"), 303)

    def act() -> str:
        page_settings.set_logo(page, image, by=current_actor(), at=clock.now())
        return url_for("admin.settings.show")

    message = "Logo saved." if image is not None else "Logo removed."
    return save(
        form, act, said=message, again=lambda: _page(PageForm(obj=page_settings.get()), form)
    )


@bp.get("/logo")
@requires(Permission.VIEW)
def logo() -> ResponseReturnValue:
    page: Page = page_settings.get() or abort(404)
    if page.logo is None:
        abort(404)
    return Response(page.logo, mimetype=page.logo_type)


def _page(form: PageForm, logo_form: LogoForm | None = None) -> str:
    return render_template(
        "admin/settings.html",
        form=form,
        logo_form=logo_form or LogoForm(),
        page=page_settings.get(),
        zones=sorted(zone for zone in clock.time_zones() if "/" in zone),
    )
