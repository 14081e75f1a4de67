"""Reports as mail servers write them."""


def report(key, *, status="5.1.1", action="failed", returned="message/rfc822", to="status@x.org"):
    """A bounce as Postfix writes it."""
    return f"""\
From: MAILER-DAEMON@mx.example.net
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
Arrival-Date: Tue, 10 Mar 2026 12:00:00 +0000

Final-Recipient: rfc822; ada@example.com
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 {status} <ada@example.com>: as said

--b1
Content-Type: {returned}

From: Brambleway <status@status.example.com>
Message-ID: <{key}@status.example.com>
Subject: [Brambleway] Investigating: Checkout errors

--b1--
""".encode()


COMPLAINED = """\
From: feedback@provider.example
To: abuse@status.example.com
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b2"

--b2
Content-Type: text/plain

This is an abuse report.

--b2
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Somebody/1.0
Version: 1

--b2
Content-Type: text/rfc822-headers

Message-ID: <{key}@status.example.com>

--b2--
"""
