"""What opens the broker's door: password and certificates, read anew for every connection."""

from __future__ import annotations

import ssl
import stat
from typing import TYPE_CHECKING

from edged.errors import BrokerError

if TYPE_CHECKING:
    from pathlib import Path

    from edged.config.schema import Mqtt, Tls

_LONGEST_PASSWORD = 65_535


def password(settings: Mqtt) -> str | None:
    """The first line of ``mqtt.password_file``; None without one.

    Raises:
        BrokerError: the file cannot be read, others can read it, or it holds no password.
    """
    path = settings.password_file
    if path is None:
        return None
    if settings.username is None and settings.protocol == "3.1.1":
        raise BrokerError("mqtt.password_file needs mqtt.username beside it in MQTT 3.1.1")
    _private(path, "mqtt.password_file")
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as fault:
        raise BrokerError(f"mqtt.password_file {path} cannot be read: {_why(fault)}") from fault
    if not text or "\n" in text or len(text.encode()) > _LONGEST_PASSWORD:
        raise BrokerError(f"mqtt.password_file {path} must hold one line, the password")
    return text


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Verifies the broker; shows the client certificate if there is one.

    Raises:
        BrokerError: a file is missing or is not what it should be.
    """
    if tls.key_file is not None:
        _private(tls.key_file, "mqtt.tls.key_file")
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except (OSError, ssl.SSLError) as fault:
        raise BrokerError(
            f"mqtt.tls.ca_file {tls.ca_file} is no readable PEM certificate: {_why(fault)}"
        ) from fault
    if tls.cert_file is not None and tls.key_file is not None:
        try:
            # an encrypted key would make OpenSSL ask on the terminal
            context.load_cert_chain(tls.cert_file, tls.key_file, password=lambda: "")
        except (OSError, ssl.SSLError) as fault:
            raise BrokerError(
                f"mqtt.tls.cert_file {tls.cert_file} and key_file {tls.key_file} are no readable "
                f"pair in PEM form without a passphrase: {_why(fault)}"
            ) from fault
    return context


def _private(path: Path, setting: str) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as fault:
        raise BrokerError(f"{setting} {path} cannot be read: {_why(fault)}") from fault
    if mode & stat.S_IRWXO:
        raise BrokerError(f"{setting} {path} can be read by others; run: chmod o= {path}")


def _why(fault: Exception) -> str:
    return getattr(fault, "strerror", None) or str(fault)
