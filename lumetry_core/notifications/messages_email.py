"""Messages as e-mail."""

from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from lumetry_core.notifications.messages import cut
from lumetry_core.notifications.news import News

MAX_SUBJECT = 200
PREFIX = "[Lumetry]"
UNFOLDED = SMTP.clone(max_line_length=900)
"""Subjects stay in one line, and no line is longer than servers take."""


def write_email(news: News, sender: str, recipients: Sequence[str], delivery: str, moment: datetime) -> bytes:
    """A whole e-mail. Every attempt has the same identity, by which servers and people know a repetition.

    Args:
        news: What is told.
        sender: The address that it comes from.
        recipients: The addresses that it goes to.
        delivery: Identity of the delivery.
        moment: Of the attempt.
    """
    mark = "TEST" if news.is_test else "RESOLVED" if news.is_resolved else "ALERT"
    mail = EmailMessage(policy=UNFOLDED)
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = cut(f"{PREFIX} {mark}: {news.entity}", MAX_SUBJECT)
    mail["Date"] = format_datetime(moment)
    mail["Message-ID"] = f"<{delivery}@{sender.rpartition('@')[2] or 'lumetry'}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"{news.text}\n")
    return mail.as_bytes()
