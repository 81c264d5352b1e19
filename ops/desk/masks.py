"""Phone numbers are shown as 138****8000, everywhere and to everybody; a user id that is one is shown so too. Pure."""

import re
from typing import Final

STARS: Final = "****"

# A mainland mobile number, with or without country code and the usual separators, standing alone among digits; and
# any number in international form. Plain numbers of other lengths are ids, and an agent must be able to read those.
_PHONE: Final = re.compile(
    r"(?<!\d)(?:(?:\+|00)?86[-. ]?)?1[3-9]\d[-. ]?\d{4}[-. ]?\d{4}(?!\d)|(?:\+|(?<!\d)00)\d{7,15}(?!\d)"
)


def mask_phone(phone: str) -> str:
    """First three and last four digits, a Chinese country code aside; of fewer than eight, the last two."""
    digits = re.sub(r"\D", "", phone)
    digits = re.sub(r"^(?:00)?(?:86(?=1[3-9]\d{9}$))?", "", digits)
    if len(digits) < 8:
        return f"{STARS}{digits[-2:]}" if len(digits) > 4 else STARS
    return f"{digits[:3]}{STARS}{digits[-4:]}"


def mask_text(text: str) -> str:
    """`text` with every phone number in it masked: for user ids and whatever quotes them."""
    return _PHONE.sub(lambda found: mask_phone(found.group()), text)
