"""Why somebody is let in or not, beside what their face said: codes for programs, words for
people. A code stays what it is."""

from __future__ import annotations

from edged.access.token import FAULTS

PERMITTED = "permitted"

DENIALS: dict[str, str] = {
    "no_rule": "no rule lets them in at this time",
    "denied_by_rule": "a rule keeps them out at this time",
    "factor_missing": "something more was asked for, and did not come in time",
    "factor_unavailable": "something more was asked for that cannot be shown here just now",
    "timed_out": "what was shown first did not count any more when the face was recognised",
    "cancelled": "they did not want to go on",
    "not_the_holder": "the face is not that of whom the card, code or PIN belongs to",
    "not_in_force": "they are enrolled, and not in force now",
    "unknown_card": "the card is nobody's who is in force",
    "bad_reading": "the reader gave what cannot be a card or a PIN",
    "wrong_pin": "the PIN is not theirs",
    "anti_passback": "they are inside already, as far as is known",
    "area_full": "as many are inside as may be",
    "second_person": "a second person was needed, and did not come in time",
    "needs_escort": "somebody to escort them was needed, and did not come in time",
    "nobody_in_yet": "somebody else has to be the first one of the day",
    "site_unheard": "the site's other terminals are not heard, and nobody enters meanwhile",
    "no_card": "they have no card that the panel could be told",
    "panel_lost": "the panel that opens the door cannot be told",
    "panel_denied": "the panel that opens the door keeps it shut",
    "interlock": "the other door of the interlock is not shut, or its terminal is not heard",
}
"""What keeps somebody out whose face, card, PIN or code was looked at."""

_CODES = {
    "oversized": "is too long to be one of ours",
    "malformed": "cannot be read",
    "unknown_key": "is signed by a key that does not count here",
    "bad_signature": "is forged or damaged",
    "bad_claims": "says what no code may say",
    "wrong_site": "is for another site",
    "wrong_terminal": "is for another terminal",
    "too_long": "is valid for longer than codes may be here",
    "not_yet": "is not valid yet",
    "expired": "is not valid any more",
    "wrong_group": "names a group that visitors here may not be in",
    "clock_unsynced": "cannot be judged: the terminal does not know what time it is",
    "used": "was used already",
}

DENIALS |= {f"code_{fault}": f"the visitor's code {_CODES[fault]}" for fault in FAULTS}
