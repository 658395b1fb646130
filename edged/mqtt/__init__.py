"""The link to the site: status, state and events out; signed commands in."""

from edged.mqtt.catalogue import CATALOGUE, Context, Reply, StartEnrolment, Unlock
from edged.mqtt.client import Link, LinkStatus
from edged.mqtt.commands import Commands, Incoming
from edged.mqtt.sign import sign_command
from edged.mqtt.topics import Topics, topics_of

__all__ = [
    "CATALOGUE",
    "Commands",
    "Context",
    "Incoming",
    "Link",
    "LinkStatus",
    "Reply",
    "StartEnrolment",
    "Topics",
    "Unlock",
    "sign_command",
    "topics_of",
]
