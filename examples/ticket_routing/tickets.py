"""Simulated tickets: six queues, five requests each, some far rarer than others, in many customers' words."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["Ticket", "tickets"]

REQUESTS: dict[str, list[list[str]]] = {
    "delivery": [
        ["where is my parcel", "my {item} has not arrived", "the parcel is late"],
        ["the tracking page has stood still since {day}", "tracking says unknown number", "no tracking update"],
        ["can the courier leave the {item} with a neighbour", "drop it at the pick-up point instead", "new drop-off place please"],
        ["the driver rang nobody and left", "courier claims I was out on {day}", "missed the courier"],
        ["half of the shipment is missing", "only one of two boxes came", "the {item} was not in the box"],
    ],
    "billing": [
        ["I was charged twice for the {item}", "two debits on {day}", "double charge on my card"],
        ["please send the invoice for the {item}", "I need a receipt for my accountant", "no invoice in my mail"],
        ["the voucher was not taken off the price", "discount code did nothing", "my coupon is gone from the total"],
        ["why is there a fee of three euros", "what is the surcharge for", "an extra fee I never agreed to"],
        ["put our company name and tax number on the bill", "change the billing name", "wrong VAT number on the bill"],
    ],
    "returns": [
        ["I want to send the {item} back", "how do I return the {item}", "return label please"],
        ["the {item} came broken", "the {item} has a crack", "it was damaged when I opened it"],
        ["swap the {item} for a bigger one", "exchange it for another colour", "wrong size, can I change it"],
        ["the warranty of the {item} should cover this", "stopped working after a month, still under warranty", "claim the guarantee"],
        ["you sent somebody else's order", "this is not the {item} I bought", "wrong article in the box"],
    ],
    "login": [
        ["I cannot sign in", "the password is refused", "login fails since {day}"],
        ["the reset mail never comes", "no password reset link", "reset link has expired"],
        ["the code from the authenticator is wrong", "lost the phone with my second factor", "two-step code not accepted"],
        ["my account is locked", "too many attempts, blocked", "account disabled it says"],
        ["I registered with an old mail address", "cannot reach the mailbox I signed up with", "old employer's mail on my login"],
    ],
    "app": [
        ["the app crashes when I open the {item} page", "app closes by itself", "white screen in the app"],
        ["the {item} does not pair over bluetooth", "pairing never ends", "the app finds no device"],
        ["notifications come at night", "no push messages any more", "the badge shows an unread message that is not there"],
        ["the schedule for the {item} is off by an hour", "timer switches at the wrong time", "summer time broke my routine"],
        ["the widget shows yesterday's values", "home screen tile does not refresh", "the tablet layout is cut off"],
    ],
    "subscription": [
        ["cancel my subscription", "stop the monthly pods", "end the plan at the end of the month"],
        ["pause the pods while I am away", "skip the next delivery of pods", "hold my plan until {day}"],
        ["more pods every month please", "switch to the large plan", "upgrade my plan"],
        ["change the roast in my plan", "decaf pods instead", "other flavour from next month"],
        ["give the plan as a present", "transfer my plan to my sister", "gift subscription for a friend"],
    ],
}  # fmt: skip
ITEMS = ("lamp", "heater", "kettle", "smart plug", "fan", "radio", "toaster", "blender", "speaker", "scale")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "last week", "yesterday")
OPEN = (
    "",
    "",
    "",
    "hello, ",
    "hi team, ",
    "good morning, ",
    "urgent: ",
    "second mail: ",
    "as discussed on the phone, ",
)
CLOSE = (
    "",
    "",
    "",
    " thanks",
    " please help",
    " what now?",
    " best regards",
    " waiting for an answer",
    " order {n}",
)
HARD = 0.05
"""Share of tickets that touch two queues; the first thing said counts."""


@dataclass(frozen=True)
class Ticket:
    """One ticket and the queue that can end its problem."""

    id: str
    text: str
    queue: str


def tickets(count: int, seed: int) -> list[Ticket]:
    """Tickets in order of arrival."""
    rng = random.Random(seed)
    out = []
    for number in range(count):
        queue = rng.choice(sorted(REQUESTS))
        words = _request(queue, rng)
        if rng.random() < HARD:
            words += ", and " + _request(rng.choice(sorted(set(REQUESTS) - {queue})), rng)
        text = rng.choice(OPEN) + words + rng.choice(CLOSE)
        text = text.format(item=rng.choice(ITEMS), day=rng.choice(DAYS), n=rng.randrange(10_000, 99_999))
        out.append(Ticket(f"{seed}-{number:05}", _typo(text, rng), queue))
    return out


def _request(queue: str, rng: random.Random) -> str:
    """A request by rank: the first is nine times as frequent as the fifth."""
    kinds = REQUESTS[queue]
    return rng.choice(rng.choices(kinds, weights=[9, 5, 3, 2, 1])[0])


def _typo(text: str, rng: random.Random) -> str:
    """Now and then two letters change places."""
    if rng.random() < 0.3 and len(text) > 8:
        i = rng.randrange(1, len(text) - 2)
        return text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    return text
