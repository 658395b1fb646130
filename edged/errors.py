"""One tree for everything that can go wrong.

::

    EdgedError
    ├── ConfigError        the configuration file is unusable (lists every problem)
    ├── BundleError        a model bundle is missing, altered or does not fit its manifest
    ├── RuntimeFault       an inference runtime is missing, refuses the network or failed
    ├── CameraError        the camera cannot be opened or stopped delivering
    │   └── CameraEnded    a recording came to its end: nothing to reconnect to
    ├── ImageError         an image file is unreadable, truncated or absurdly large
    ├── NoUsableFace       an image holds no face that can be used
    ├── SourceError        a folder or table of people to be enrolled is unusable
    ├── EvaluationError    what is to be measured, or a cache of it, is unusable
    ├── KeyUnavailable     the key of the encrypted files cannot be read, or others can read it
    ├── StorageError       an encrypted file cannot be read or written
    │   ├── WrongKey       the key does not open this file (the file is left untouched)
    │   └── DiskFull       there is no room left; nothing was half-written
    ├── GalleryError       the gallery refuses a person or a template
    │   └── EnrolmentRefused  a rule of the site speaks against an enrolment (has a code)
    ├── DoorError          the relay cannot be driven, an input cannot be read
    ├── ReaderError        a reader of cards, PINs or codes, or the line to a panel, cannot be used
    ├── RulesError         a calendar, a schedule or a rule of access cannot be used
    ├── AttendanceError    punches cannot be reported or corrected as asked
    ├── BrokerError        the MQTT settings are unusable (an unreachable broker is no error)
    ├── ProvisionError     a terminal and its site cannot be made known to each other
    ├── ScreenError        the page for the terminal's own screen cannot be served
    └── InstallerError     the installer's page cannot be served, or its password not be kept

Messages are lower case and say what happened, on what, and what to do. Expected outcomes
(no face, poor quality, nobody matches) are values, never exceptions.
"""


class EdgedError(Exception):
    """Root of the tree; its text is fit to be shown to an installer."""


class ConfigError(EdgedError):
    """The configuration is unusable.

    Attributes:
        problems: one line each, ``file:line:column: path: what is wrong (got …)``.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class BundleError(EdgedError):
    """A model bundle is missing, altered or does not fit its manifest."""


class RuntimeFault(EdgedError):
    """An inference runtime is missing, refuses the network or failed while running it."""


class CameraError(EdgedError):
    """The camera cannot be opened or stopped delivering frames."""


class CameraEnded(CameraError):
    """A recording came to its end."""


class ImageError(EdgedError):
    """An image file is unreadable, truncated or absurdly large."""


class NoUsableFace(EdgedError):
    """An image holds no face that can be used."""


class SourceError(EdgedError):
    """A folder or table of people to be enrolled, or the report on it, is unusable."""


class EvaluationError(EdgedError):
    """People, pairs or a cache that are to be measured with are unusable."""


class KeyUnavailable(EdgedError):
    """The key of the encrypted files cannot be read, or others can read it."""


class StorageError(EdgedError):
    """An encrypted file cannot be read or written."""


class WrongKey(StorageError):
    """The key does not open this file; the file is left untouched."""


class DiskFull(StorageError):
    """There is no room left on the disk; nothing was half-written."""


class GalleryError(EdgedError):
    """The gallery refuses a person or a template."""


class EnrolmentRefused(GalleryError):
    """A rule of the site speaks against an enrolment.

    Attributes:
        reason: a code for programs, such as ``duplicate``.
        people: by the id that is refused the one that it has to do with, such as the id under
            which somebody is enrolled already.
    """

    def __init__(self, reason: str, text: str, people: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.reason = reason
        self.people = people or {}


class DoorError(EdgedError):
    """The relay cannot be driven."""


class ReaderError(EdgedError):
    """A reader of cards, PINs or codes, or the line to a panel, cannot be used."""


class RulesError(EdgedError):
    """A calendar, a schedule or a rule of access cannot be used."""


class AttendanceError(EdgedError):
    """Punches cannot be reported or corrected as asked."""


class BrokerError(EdgedError):
    """The MQTT settings are unusable."""


class ProvisionError(EdgedError):
    """A terminal and its site cannot be made known to each other."""


class ScreenError(EdgedError):
    """The page for the terminal's own screen cannot be served."""


class InstallerError(EdgedError):
    """The installer's page cannot be served, or its password cannot be kept."""
