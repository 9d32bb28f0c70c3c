"""The audit trail: each entry holds the digest of the one before it, so that no later change goes unseen.

An entry is written in the same transaction as what it tells of. Its digest is noted outside the database too, before
the transaction is committed and once it is, so that a trail that was cut, added to or written anew is found.
"""

from outlast.registry.audit.trail import (
    EVIDENCE,
    FIRST,
    HEAD,
    HOW,
    TRANSITION,
    Entry,
    approved,
    entries,
    evidence_of,
    head,
    plainly,
    record,
    transition_of,
)
from outlast.registry.audit.verifying import Broken, Report, examine, verify

__all__ = [
    "EVIDENCE", "FIRST", "HEAD", "HOW", "TRANSITION", "Broken", "Entry", "Report", "approved", "entries", "evidence_of",
    "examine", "head", "plainly", "record", "transition_of", "verify",
]  # fmt: skip
