"""Secrets do not reach the log, whatever a driver or a request puts into its words."""

import logging
import re
import traceback

__all__ = ["RedactingFilter", "redact"]

_HIDDEN = "***"
_NAMES = r"pass(?:word|wd|phrase)?|pwd|secrets?|(?:api|access|secret|private)[_-]?key|token|credentials?"
_RULES = (
    (re.compile(r"\b(es_[0-9a-f]{16})_[\w-]{16,}", re.ASCII), rf"\1_{_HIDDEN}"),
    (re.compile(r"(?<=://)([^\s/:@\"']{0,256}):[^\s\"']{1,512}@"), rf"\1:{_HIDDEN}@"),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {_HIDDEN}"),
    (re.compile(r"\b(authorization[\"']?\s{0,8}[:=]\s{0,8}[\"']?)[^\r\n\"']+", re.IGNORECASE), rf"\1{_HIDDEN}"),
    (
        re.compile(rf"((?:{_NAMES})[\"']?\s{{0,8}}[:=]\s{{0,8}}(?:b?[\"'])?)[^\s\"',;&)}}\]]+", re.IGNORECASE),
        rf"\1{_HIDDEN}",
    ),
)


def redact(text: str) -> str:
    """The text without keys of ours, passwords in URLs, Authorization headers, and values named as secrets.

    What is hidden is told apart by its form: a secret that stands alone, without a name, is not known as one.
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


class RedactingFilter(logging.Filter):
    """Redacts a record's message, its exception (then found in `exc_text`) and each of its further strings.

    It belongs on a handler, so that it sees what every logger sends there.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record through, redacted."""
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info and record.exc_info[0]:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if record.exc_text:
            record.exc_text, record.exc_info = redact(record.exc_text), None
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        for name, value in vars(record).items():
            if name not in _OWN and isinstance(value, str):
                setattr(record, name, redact(value))
        return True


_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
