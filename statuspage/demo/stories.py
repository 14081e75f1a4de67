"""What happened to Brambleway in a year: the texts of the demo page, and nothing else.

They are meant to be read: each says what customers notice, whom it concerns, what
still works, and when the next word comes.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Told:
    """One update: `after` minutes from the first, `promise` minutes until the next."""

    status: str
    body: str
    after: int = 0
    promise: int | None = None
    keeps: bool = True
    """The components stay as bad as they were; otherwise they are merely slow."""
    corrected: str | None = None
    """The words after an edit, three minutes later."""
    correction: str | None = None


@dataclass(frozen=True)
class Lesson:
    """A postmortem. `actions` are (title, state, due in days, owner)."""

    parts: dict[str, str]
    actions: tuple[tuple[str, str, int, str], ...]
    added: tuple[str, str] | None = None
    """A part that was rewritten after it was published."""


@dataclass(frozen=True)
class Story:
    days_ago: int
    name: str
    components: tuple[str, ...]
    severity: str
    updates: tuple[Told, ...]
    share: str | None = None
    scope: str | None = None
    who: str | None = None
    works: str | None = None
    do: str | None = None
    noticed_after: int = 4
    """Minutes from the start until we noticed."""
    postmortem: Lesson | None = field(default=None)


@dataclass(frozen=True)
class Work:
    """A maintenance; a negative `days_ago` lies ahead."""

    days_ago: int
    minutes: int
    name: str
    components: tuple[str, ...]
    body: str
    works: str | None = None
    do: str | None = None


def _brief(first: str, last: str, minutes: int) -> tuple[Told, ...]:
    """A small matter: two updates, one promise."""
    return (
        Told("investigating", first, promise=30),
        Told("resolved", last, after=minutes),
    )


STORIES: tuple[Story, ...] = (
    Story(
        2,
        "Dashboard loads slowly",
        ("Dashboard",),
        "degraded",
        _brief(
            "The dashboard takes more than 10 seconds to open. Printing and tracking are not"
            " affected. We are looking into a report that runs at the same time.",
            "The report now runs on its own copy of the data and the dashboard opens in under"
            " a second again.",
            31,
        ),
        works="Labels, tracking and the API",
    ),
    Story(
        9,
        "Webhooks arrive late",
        ("Webhooks",),
        "degraded",
        (
            Told(
                "investigating",
                "Webhooks are sent up to 20 minutes late. They are queued and none are lost.",
                promise=30,
            ),
            Told(
                "identified",
                "One receiver answers very slowly and holds up the others. We are giving slow"
                " receivers a queue of their own.",
                after=22,
                promise=45,
            ),
            Told(
                "monitoring",
                "The new queue is in use and the backlog is shrinking. The delay is now 3 minutes.",
                after=58,
                promise=60,
            ),
            Told("resolved", "All webhooks are sent within seconds again.", after=97),
        ),
        who="Everyone who receives webhooks",
        works="The API always has the current state",
        do="Poll the shipments endpoint if you can't wait",
    ),
    Story(
        17,
        "Rates missing for parcels over 20 kg",
        ("Rates",),
        "partial",
        (
            Told(
                "identified",
                "The checkout shows no price for parcels over 20 kg. A price list that we loaded"
                " this morning has a gap; we are going back to the previous one.",
                promise=20,
            ),
            Told(
                "resolved",
                "Prices for heavy parcels are back. 212 checkouts saw none; we e-mailed"
                " those shops a list.",
                after=18,
            ),
        ),
        share="6",
        scope="parcels over 20 kg",
        who="Checkouts with parcels over 20 kg, about 6 % of requests",
        works="Prices for all lighter parcels",
        noticed_after=26,
    ),
    Story(
        24,
        "Sign-in codes arrive late",
        ("Sign-in",),
        "degraded",
        _brief(
            "The e-mail with the sign-in code can take up to ten minutes to arrive. If you are"
            " signed in, you stay signed in.",
            "Our mail provider fixed a delay on their side; codes arrive within seconds again.",
            64,
        ),
        do="Use an authenticator app if you have set one up",
    ),
    Story(
        36,
        "No carrier events for 49 minutes",
        ("Carrier events", "Tracking page", "Webhooks"),
        "major",
        (
            Told(
                "investigating",
                "Tracking has shown no new scans for the last few minutes. Parcels are moving as"
                " usual; we just don't see them. We are looking for the cause.",
                promise=15,
            ),
            Told(
                "identified",
                "The service that reads carrier events stopped after a certificate expired. We"
                " are putting the new one in place.",
                after=13,
                promise=15,
                corrected="The service that reads carrier events stopped: our client"
                " certificate for the carriers expired. We are putting the new one in place."
                " Events are waiting at the carriers; none are lost.",
                correction="Explained what happens to events in the meantime.",
            ),
            Told(
                "monitoring",
                "Events are coming in again and we are working through the backlog. The tracking"
                " page will be complete in about half an hour.",
                after=38,
                promise=40,
                keeps=False,
            ),
            Told(
                "resolved",
                "The backlog is processed and every tracking page is complete. Webhooks were"
                " sent in order.",
                after=74,
            ),
        ),
        who="Everyone who tracks a parcel",
        works="Labels, rates and pickups",
        do="Nothing you need to do: events will appear with their original times",
        noticed_after=6,
        postmortem=Lesson(
            parts={
                "summary": "For 49 minutes we received no events from carriers because our client"
                " certificate had expired. Tracking pages showed no new scans and no webhooks"
                " were sent. Nothing was lost: carriers keep events for three days.",
                "impact": "All customers saw outdated tracking. 31,400 events were late, by 24"
                " minutes (median) and 71 at most. 19 customers wrote to us.",
                "root_cause": "A job renews the certificate: it writes the new file and reloads the"
                " reader. The file was written, but the reload used a host name that we had"
                " changed in spring, and the job did not treat that as a failure.",
                "contributing_factors": "- The job's exit code came from its last command, which"
                " only wrote a log message.\n"
                "- Our alarm watched the age of the file, not the certificate in use.\n"
                "- The renewal happens once a year, so no one remembered how it works.",
                "went_well": "The first alarm came from a customer-facing metric (scans per minute)"
                " and was right. The first update was out five minutes after it.",
                "went_badly": "It took us 20 minutes to find the one person with permission to"
                " reload the reader.",
                "luck": "It was an afternoon. At night the only person with that permission would"
                " have been asleep.",
            },
            actions=(
                ("Alarm on the certificate in use, 21 days ahead", "done", 5, "Platform"),
                ("Make the renewal fail if the reload fails", "done", 9, "Platform"),
                ("Let on-call reload every reader", "done", 12, "Security"),
                ("Rehearse a renewal each quarter, announced here", "in_progress", 30, "Platform"),
                ("Show the age of the newest scan on the tracking page", "open", 58, "Tracking"),
            ),
            added=(
                "impact",
                "All customers saw outdated tracking. 31,912 events were late, by 24 minutes"
                " (median) and 71 at most; one carrier counted 512 that we had missed. 19"
                " customers wrote to us.",
            ),
        ),
    ),
    Story(
        43,
        "Address check rejects some Irish addresses",
        ("Address check",),
        "partial",
        _brief(
            "Addresses in Ireland without a postal code are rejected. We are relaxing a rule"
            " that came with yesterday's update.",
            "The rule is gone and Irish addresses are accepted. You can resubmit any that were"
            " rejected.",
            42,
        ),
        share="3",
        scope="Ireland",
        who="Shipments to Ireland without a postal code",
        do="Choose “Skip the check” when you create the label",
        noticed_after=140,
    ),
    Story(
        51,
        "API answers some requests with error 503",
        ("API",),
        "partial",
        (
            Told(
                "investigating",
                "About one in twelve API requests fails with 503. A second try usually works.",
                promise=15,
            ),
            Told(
                "identified",
                "Two of our eight API hosts ran out of memory after a release. We are taking"
                " them out and rolling back the release.",
                after=11,
                promise=20,
            ),
            Told(
                "monitoring",
                "The previous release is running everywhere. No request has failed for five"
                " minutes.",
                after=24,
                promise=30,
                keeps=False,
            ),
            Told(
                "resolved",
                "No failures for 40 minutes. We will ship the release again once we"
                " understand why it needs so much memory.",
                after=66,
            ),
        ),
        share="8",
        who="About 8 % of API requests",
        works="The dashboard, tracking pages and webhooks",
        do="Retry after a second; our client libraries do this automatically",
        noticed_after=3,
    ),
    Story(
        60,
        "Pickup confirmations missing",
        ("Pickups",),
        "degraded",
        _brief(
            "Pickups are booked, but confirmation e-mails are missing. Please don't book"
            " again: the driver would come twice.",
            "Confirmations are going out again, including those of the last two hours.",
            53,
        ),
        do="Look up the booking in the dashboard; it is there",
    ),
    Story(
        75,
        "Customs documents without signature",
        ("Customs documents",),
        "partial",
        _brief(
            "Customs invoices are printed without the sender's signature. Some customs offices"
            " return these parcels.",
            "Signatures are printed again. We contacted the 88 senders whose invoices lacked one.",
            39,
        ),
        share="40",
        scope="Switzerland and Norway",
        who="Shipments to Switzerland and Norway",
        do="Print the invoice again before the parcel leaves",
        noticed_after=85,
    ),
    Story(
        88,
        "Website unreachable from some networks",
        ("Website",),
        "partial",
        _brief(
            "Visitors in parts of Northern Europe can't open our website. The dashboard and the"
            " API use another network and work.",
            "The network provider has routed around the fault; the website is reachable"
            " everywhere.",
            47,
        ),
        share="15",
        scope="Northern Europe",
        works="Dashboard, API, labels and tracking",
    ),
    Story(
        101,
        "Monthly invoices delayed",
        ("Billing",),
        "degraded",
        (
            Told(
                "identified",
                "This month's invoices will be one day late: a tax rate changed and we are"
                " checking it. You won't be charged before you have the invoice.",
                promise=1440,
            ),
            Told("resolved", "All invoices are out, with the right tax rate.", after=1320),
        ),
        works="Everything except invoices",
    ),
    Story(
        118,
        "Labels cannot be printed",
        ("Labels",),
        "major",
        (
            Told(
                "investigating",
                "Labels can't be created right now, neither in the dashboard nor through the API.",
                promise=10,
            ),
            Told(
                "identified",
                "The disk that stores label images is full. We are freeing space.",
                after=9,
                promise=15,
            ),
            Told(
                "monitoring",
                "Labels can be printed again. We are working through the orders of the last"
                " half hour.",
                after=21,
                promise=30,
                keeps=False,
            ),
            Told(
                "resolved",
                "The backlog is cleared. 1,904 labels were late by 34 minutes at most.",
                after=45,
            ),
        ),
        who="Everyone who prints labels",
        works="Rates, pickups and tracking",
        do="Leave orders open; they will print automatically",
        noticed_after=2,
        postmortem=Lesson(
            parts={
                "summary": "For 29 minutes no one could create a label, because a disk was full.",
                "impact": "1,904 labels were late by 34 minutes at most. None were lost.",
                "root_cause": "A nightly job deletes label images after 30 days. For eleven nights"
                " it failed on one file name that it couldn't read, and stopped there each time.",
                "contributing_factors": "- One bad file stopped the whole job.\n"
                "- The disk alarm was set at 98 %, which left nine minutes.",
                "went_well": "We posted an update every ten to fifteen minutes, as promised.",
                "went_badly": "The failing job had reported this eleven times, to a mailbox that no"
                " one reads.",
                "luck": "Label images can be regenerated from the order.",
            },
            actions=(
                ("Skip unreadable files and report them", "done", 3, "Shipping"),
                ("Disk alarms at 80 %", "done", 4, "Platform"),
                ("Send failures of nightly jobs to on-call", "done", 14, "Platform"),
                ("Keep label images in object storage", "dropped", 60, "Shipping"),
            ),
        ),
    ),
    Story(
        131,
        "Tracking page shows times in the wrong zone",
        ("Tracking page",),
        "degraded",
        _brief(
            "Times on the tracking page are one hour early. Delivery dates are correct.",
            "Times are correct again, in the reader's time zone.",
            88,
        ),
        noticed_after=190,
    ),
    Story(
        140,
        "Rates service responds slowly",
        ("Rates", "API"),
        "degraded",
        (
            Told(
                "investigating",
                "Rates take four seconds instead of half a second.",
                promise=30,
            ),
            Told(
                "monitoring",
                "A carrier's price service is slow. We use yesterday's prices when it doesn't"
                " respond within one second.",
                after=41,
                promise=60,
            ),
            Told("resolved", "The carrier's service is fast again.", after=125),
        ),
        works="All prices are shown",
    ),
    Story(
        156,
        "Webhooks signed with the old key",
        ("Webhooks",),
        "partial",
        _brief(
            "Webhooks from one of our three senders carry the old signature, so receivers"
            " rightly reject them. We are giving it the new key.",
            "All senders use the new key; rejected webhooks were sent again.",
            27,
        ),
        share="33",
        who="Receivers that check signatures, one in three webhooks",
        noticed_after=12,
    ),
    Story(
        170,
        "Some pickups were booked a day late",
        ("Pickups",),
        "partial",
        _brief(
            "Pickups ordered between 17:00 and 18:00 are booked for the day after the one you"
            " chose. We are moving them back by hand.",
            "All 61 bookings are back on the chosen day, and the rule for the carrier's closing"
            " time is fixed.",
            95,
        ),
        share="9",
        scope="pickups ordered after 17:00",
        noticed_after=65,
    ),
    Story(
        189,
        "Sign-in fails for some teams",
        ("Sign-in", "Dashboard"),
        "partial",
        (
            Told(
                "investigating",
                "Teams that use single sign-on see an error page.",
                promise=20,
            ),
            Told(
                "identified",
                "A library update rejects responses that were signed a few seconds in the"
                " future. We are allowing one minute again.",
                after=19,
                promise=20,
            ),
            Told("resolved", "Sign-in works for all teams.", after=34),
        ),
        share="7",
        scope="teams with single sign-on",
        do="Sign in with an e-mail code for now",
        works="API keys are not affected",
    ),
    Story(
        205,
        "Last night's reports are incomplete",
        ("Dashboard",),
        "degraded",
        _brief(
            "The daily report is missing shipments after 22:00. Only the report is affected;"
            " the shipments exist.",
            "The reports are complete and were sent again.",
            150,
        ),
    ),
    Story(
        219,
        "API and dashboard down",
        ("API", "Dashboard", "Labels", "Rates"),
        "major",
        (
            Told(
                "investigating",
                "The API and the dashboard are not responding. We are on it.",
                promise=10,
            ),
            Told(
                "identified",
                "The main database failed over to its standby and our applications did not follow."
                " We are restarting them in order.",
                after=8,
                promise=10,
            ),
            Told(
                "monitoring",
                "The API and the dashboard respond again. Labels will follow within minutes.",
                after=17,
                promise=30,
                keeps=False,
            ),
            Told(
                "resolved",
                "Everything works again. No orders were lost; failed requests can be retried.",
                after=52,
            ),
        ),
        who="All customers",
        works="Tracking pages are served from a copy",
        noticed_after=1,
    ),
    Story(
        238,
        "Events from one carrier are late",
        ("Carrier events",),
        "degraded",
        _brief(
            "One carrier is sending scans three hours late. Parcels are on their way.",
            "The carrier has caught up.",
            210,
        ),
        scope="one carrier in Italy",
    ),
    Story(
        256,
        "Label preview is blank in one browser",
        ("Labels",),
        "degraded",
        _brief(
            "In the newest version of one browser the preview stays blank. Printing works.",
            "The preview is back.",
            71,
        ),
        works="Printing",
    ),
    Story(
        277,
        "Rates for islands too high",
        ("Rates",),
        "partial",
        _brief(
            "The surcharge for islands is added twice. We are correcting the price list.",
            "Prices are correct; 34 customers will be refunded the difference automatically.",
            36,
        ),
        share="2",
        scope="islands",
        noticed_after=220,
    ),
    Story(
        301,
        "Address check slow",
        ("Address check",),
        "degraded",
        _brief(
            "Checking an address takes up to eight seconds.",
            "The check takes half a second again.",
            25,
        ),
    ),
    Story(
        322,
        "Card payments fail",
        ("Billing",),
        "partial",
        _brief(
            "Card payments fail for some customers; direct debit works. No one will be blocked"
            " because a payment failed today.",
            "Cards work again. We will retry failed payments once, tomorrow.",
            83,
        ),
        share="45",
        who="Customers who pay by card",
        works="Direct debit and all shipping",
    ),
    Story(
        344,
        "Website slow",
        ("Website",),
        "degraded",
        _brief(
            "Our website loads slowly. The dashboard is not affected.",
            "A crawler asked for every page at once. We slowed it down.",
            29,
        ),
    ),
)

MAINTENANCE: tuple[Work, ...] = (
    Work(
        -2,
        60,
        "Tracking moves to a larger database",
        ("Tracking page", "Carrier events"),
        "We are moving the tracking database to a larger machine. For up to an hour, tracking"
        " pages will not update; events that arrive in the meantime will appear afterwards, with"
        " their original times.",
        works="Labels, rates, pickups and the dashboard",
        do="Nothing you need to do",
    ),
    Work(
        12,
        45,
        "Label software update",
        ("Labels",),
        "We are updating the software that renders labels. Labels may take a minute longer.",
        works="Everything else",
    ),
    Work(
        69,
        90,
        "Database upgrade",
        ("API", "Dashboard"),
        "We are upgrading the main database. Writes may pause for up to two minutes.",
        works="Tracking pages",
    ),
    Work(
        146,
        30,
        "Webhook key rotation",
        ("Webhooks",),
        "All webhook senders get new keys. Webhooks will be delayed by a few minutes; none will"
        " be lost.",
    ),
    Work(
        230,
        120,
        "Move to a second data centre",
        ("Website", "Billing"),
        "We are moving the website and billing. The website may be down for a few minutes.",
        works="Labels, tracking and the API",
    ),
)
