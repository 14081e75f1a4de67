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
            "The dashboard takes 10 seconds and more to open. Printing and tracking are not"
            " affected. We are looking at the report that runs at the same time.",
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
                "Webhooks are sent up to 20 minutes late. They are queued, none is lost.",
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
                "The new queue is in use and the backlog shrinks. Delay is 3 minutes now.",
                after=58,
                promise=60,
            ),
            Told("resolved", "All webhooks leave within seconds again.", after=97),
        ),
        who="Everyone who receives webhooks",
        works="The API always has the present state",
        do="Poll the shipments endpoint if you cannot wait",
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
                " this morning has a gap; we are loading the one before.",
                promise=20,
            ),
            Told(
                "resolved",
                "Prices for heavy parcels are back. 212 checkouts saw none; those shops got a"
                " list from us by e-mail.",
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
            "The e-mail with the sign-in code takes up to ten minutes. Who is signed in stays"
            " signed in.",
            "Our mail provider solved a delay on their side; codes arrive within seconds.",
            64,
        ),
        do="Use an authenticator app if you have set one up",
    ),
    Story(
        36,
        "No carrier events for 47 minutes",
        ("Carrier events", "Tracking page", "Webhooks"),
        "major",
        (
            Told(
                "investigating",
                "Tracking shows no new scans since shortly before this message. Parcels move as"
                " usual; we just do not see them. We are looking for the reason.",
                promise=15,
            ),
            Told(
                "identified",
                "The service that reads carrier events stopped after a certificate ran out. We"
                " are putting the new one in place.",
                after=13,
                promise=15,
                corrected="The service that reads carrier events stopped: the certificate by"
                " which carriers know us ran out. We are putting the new one in place. Events"
                " wait at the carriers, none is lost.",
                correction="Said what happens to the events meanwhile.",
            ),
            Told(
                "monitoring",
                "Events flow again and we are reading what has waited. The tracking page is"
                " complete in about half an hour.",
                after=38,
                promise=40,
                keeps=False,
            ),
            Told(
                "resolved",
                "All waiting events are read and every tracking page is complete. Webhooks for"
                " them were sent in order.",
                after=74,
            ),
        ),
        who="Everyone who tracks a parcel",
        works="Labels, rates and pickups",
        do="Nothing: events appear by themselves, with their real times",
        noticed_after=6,
        postmortem=Lesson(
            parts={
                "summary": "For 47 minutes we read no events from carriers. The certificate by"
                " which carriers know us had run out. Tracking pages stood still and webhooks"
                " stayed away; nothing was lost, since carriers keep events for three days.",
                "impact": "All customers saw old tracking. 31,400 events were late, by 24 minutes"
                " in the middle and 71 at most. 19 customers wrote to us.",
                "root_cause": "The certificate is renewed by a job that writes the new file and"
                " reloads the reader. The file was written, but the reload asked a host name that"
                " we had changed in spring, and the job did not treat that as a failure.",
                "contributing_factors": "- The job's last line decided whether it counted as"
                " done, and that line was a log message.\n"
                "- Our alarm watched the age of the file, not the certificate in use.\n"
                "- The renewal happens once a year, so nobody remembered how it works.",
                "went_well": "The first alarm came from a customer-facing measure (scans a minute)"
                " and was right. The first update was out six minutes after it.",
                "went_badly": "It took us 20 minutes to find the one person who had the rights to"
                " reload the reader.",
                "luck": "It was an afternoon. At night the only person with those rights would"
                " have been asleep.",
            },
            actions=(
                ("Alarm on the certificate in use, 21 days ahead", "done", 5, "Platform"),
                ("Let a renewal that could not reload fail loudly", "done", 9, "Platform"),
                ("Give on-call the right to reload every reader", "done", 12, "Security"),
                ("Rehearse a renewal each quarter, announced here", "in_progress", 30, "Platform"),
                ("Show the age of the newest scan on the tracking page", "open", 58, "Tracking"),
            ),
            added=(
                "impact",
                "All customers saw old tracking. 31,912 events were late, by 24 minutes in the"
                " middle and 71 at most; one carrier had counted 512 that we had not. 19"
                " customers wrote to us.",
            ),
        ),
    ),
    Story(
        43,
        "Address check refuses some Irish addresses",
        ("Address check",),
        "partial",
        _brief(
            "Addresses in Ireland without a postal code are refused. We are loosening the rule"
            " that came with yesterday's update.",
            "The rule is gone and Irish addresses are accepted. Refused ones can simply be sent"
            " again.",
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
                "About one in twelve API requests fails with 503. A second try mostly works.",
                promise=15,
            ),
            Told(
                "identified",
                "Two of our eight API hosts ran out of memory after a release. We are taking"
                " them out and going back one release.",
                after=11,
                promise=20,
            ),
            Told(
                "monitoring",
                "The earlier release runs everywhere. No request has failed for five minutes.",
                after=24,
                promise=30,
                keeps=False,
            ),
            Told(
                "resolved",
                "No failures for 40 minutes. The release comes back when we understand why it"
                " needs so much memory.",
                after=66,
            ),
        ),
        share="8",
        who="About 8 % of API requests",
        works="The dashboard, tracking pages and webhooks",
        do="Retry after a second; all our libraries do so by themselves",
        noticed_after=3,
    ),
    Story(
        60,
        "Pickup confirmations missing",
        ("Pickups",),
        "degraded",
        _brief(
            "Pickups are booked, but the confirmation e-mail does not come. Please do not book"
            " twice: drivers would come twice.",
            "Confirmations are sent again, those of the last two hours too.",
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
            " send such parcels back.",
            "Signatures are printed again. We wrote to the 88 senders whose invoices lacked it.",
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
            "Readers in parts of Northern Europe cannot open our website. Dashboard and API use"
            " another network and work.",
            "The network provider has routed around the fault; the website opens everywhere.",
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
                "This month's invoices come one day late: a tax rate changed and we want to be"
                " sure that it is right. Nothing is charged before you have the invoice.",
                promise=1440,
            ),
            Told("resolved", "All invoices are out, with the right tax rate.", after=1320),
        ),
        works="Everything but invoices",
    ),
    Story(
        118,
        "Labels cannot be printed",
        ("Labels",),
        "major",
        (
            Told(
                "investigating",
                "No labels can be made at the moment, in the dashboard and by the API.",
                promise=10,
            ),
            Told(
                "identified",
                "The disk that holds label pictures is full. We are making room.",
                after=9,
                promise=15,
            ),
            Told(
                "monitoring",
                "Labels are printed again. Orders of the last half hour are being worked off.",
                after=21,
                promise=30,
                keeps=False,
            ),
            Told(
                "resolved",
                "The backlog is printed. 1,904 labels were late by 34 minutes at most.",
                after=45,
            ),
        ),
        who="Everyone who prints labels",
        works="Rates, pickups and tracking",
        do="Leave orders open; they are printed by themselves",
        noticed_after=2,
        postmortem=Lesson(
            parts={
                "summary": "For 29 minutes nobody could make a label. A disk was full.",
                "impact": "1,904 labels were late by 34 minutes at most. None was lost.",
                "root_cause": "Label pictures are deleted after 30 days by a nightly job. The job"
                " had failed for eleven nights on one file name that it could not read, and"
                " stopped there each time.",
                "contributing_factors": "- One bad file stopped the whole job.\n"
                "- The disk alarm was set at 98 %, which left nine minutes.",
                "went_well": "The promise of an update every ten to fifteen minutes was kept.",
                "went_badly": "The failing job had told us eleven times, in a mailbox that nobody"
                " reads.",
                "luck": "Label pictures can be made anew from the order.",
            },
            actions=(
                ("Skip a file that cannot be read, and report it", "done", 3, "Shipping"),
                ("Disk alarms at 80 %", "done", 4, "Platform"),
                ("Send failures of nightly jobs to on-call", "done", 14, "Platform"),
                ("Keep label pictures in object storage", "dropped", 60, "Shipping"),
            ),
        ),
    ),
    Story(
        131,
        "Tracking page shows times in the wrong zone",
        ("Tracking page",),
        "degraded",
        _brief(
            "Times on the tracking page are one hour early. Dates of delivery are right.",
            "Times are right again, in the zone of the reader.",
            88,
        ),
        noticed_after=190,
    ),
    Story(
        140,
        "Slow answers from the rates service",
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
                "A carrier's price service is slow. We answer from yesterday's prices where it"
                " does not answer within one second.",
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
            "Webhooks from one of our three senders carry the old signature and are rightly"
            " refused by receivers. We are giving it the new key.",
            "All senders use the new key; what was refused was sent again.",
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
            "All 61 bookings are on the day that was chosen, and the rule that read the carrier's"
            " closing time is right.",
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
                "Teams that sign in through their own directory see an error page.",
                promise=20,
            ),
            Told(
                "identified",
                "A library update refuses answers that were signed a few seconds in the future."
                " We are allowing one minute again.",
                after=19,
                promise=20,
            ),
            Told("resolved", "Sign-in works for all teams.", after=34),
        ),
        share="7",
        scope="teams with their own directory",
        do="Sign in by e-mail code meanwhile",
        works="API keys are not affected",
    ),
    Story(
        205,
        "Reports of the last night are incomplete",
        ("Dashboard",),
        "degraded",
        _brief(
            "The daily report lacks shipments after 22:00. They exist; only the report misses"
            " them.",
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
                "API and dashboard do not answer. We are on it.",
                promise=10,
            ),
            Told(
                "identified",
                "The main database moved to its standby and our applications did not follow. We"
                " are restarting them in order.",
                after=8,
                promise=10,
            ),
            Told(
                "monitoring",
                "API and dashboard answer again. Labels follow within minutes.",
                after=17,
                promise=30,
                keeps=False,
            ),
            Told(
                "resolved",
                "Everything works. No order was lost; requests that failed can be sent again.",
                after=52,
            ),
        ),
        who="All customers",
        works="Tracking pages are served from a copy",
        noticed_after=1,
    ),
    Story(
        238,
        "Carrier events of one carrier are late",
        ("Carrier events",),
        "degraded",
        _brief(
            "One carrier sends its scans three hours late. Parcels are on their way.",
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
            "Prices are right; 34 customers get the difference back without asking.",
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
            "The check answers in half a second again.",
            25,
        ),
    ),
    Story(
        322,
        "Card payments fail",
        ("Billing",),
        "partial",
        _brief(
            "Payments by card fail for a part of our customers; direct debit works. Nobody is"
            " blocked for a payment that failed today.",
            "Cards work again. We repeat failed payments tomorrow, once.",
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
            "Our website opens slowly. The dashboard is not affected.",
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
        "We move the tracking database to a larger machine. For up to an hour tracking pages"
        " show the state from before; events that arrive meanwhile appear afterwards, with their"
        " real times.",
        works="Labels, rates, pickups and the dashboard",
        do="Nothing",
    ),
    Work(
        12,
        45,
        "New label printers' software",
        ("Labels",),
        "We update the software that draws labels. Labels may take a minute longer.",
        works="Everything else",
    ),
    Work(
        69,
        90,
        "Database upgrade",
        ("API", "Dashboard"),
        "We upgrade the main database. Writing may pause for up to two minutes.",
        works="Tracking pages",
    ),
    Work(
        146,
        30,
        "Webhook keys are renewed",
        ("Webhooks",),
        "All webhook senders get new keys. Webhooks wait for some minutes, none is lost.",
    ),
    Work(
        230,
        120,
        "Move to a second data centre",
        ("Website", "Billing"),
        "We move the website and billing. The website may be away for a few minutes.",
        works="Labels, tracking and the API",
    ),
)
