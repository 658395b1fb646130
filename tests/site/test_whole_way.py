"""From a bare terminal to a door that the site opens: real Mosquitto, TLS, real daemon."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.conformance.documented import block
from tests.mosquitto import Mosquitto
from tests.service.kit import wait
from tests.site.kit import bare_terminal, believe_the_clock

if TYPE_CHECKING:
    from pathlib import Path

    from tests.site.kit import Edged, Office


def test_request_permit_apply_and_the_door_opens(
    tmp_path: Path, office: Office, edged: Edged, broker_program: str
) -> None:
    certificates = office.authority()
    broker = Mosquitto(tmp_path, certificates, f"acl_file {office.folder}/acl")
    terminal = bare_terminal(tmp_path / "door")
    config, folder = terminal.config, terminal.folder
    try:
        office.set_up(broker.port)
        request = tmp_path / "request.json"
        asked = edged("provision", "request", "--tls", "-o", request, "-c", config, "--json")
        assert asked.code == 0, asked.err
        answered = office.answer(
            request, "--authority", office.folder / "ca", "--fingerprint", asked.json["fingerprint"]
        )
        assert answered.code == 0, answered.err
        assert answered.json["request_fingerprint"] == asked.json["fingerprint"]
        # the rules as they are printed, in the folder of ctl.yaml
        subprocess.run(["sh", "-euc", block("rules.sh")], cwd=office.folder, check=True)
        broker.start()
        permit = shutil.copy(office.folder / "permit.json", folder / "permit.json")
        fingerprint = answered.json["fingerprint"]
        applied = edged(
            "provision", "apply", permit, "--fingerprint", fingerprint, "--write", "-c", config
        )
        assert applied.code == 0, applied.err
        assert edged("check", "-c", config).code == 0
        believe_the_clock(config)
        terminal.start().ready()
        state = wait(lambda: (ran := office.ctl("state", "-t", "door-1")).code == 0 and ran)
        assert "online" in state.out
        ran = office.ctl("unlock", "-t", "door-1", "--cause", "parcel", "--json")
        assert ran.code == 0, ran.out + ran.err
        assert ran.json["replies"]["door-1"]["result"] == "ok"
        wait(lambda: "on" in terminal.relay)
        kept = tmp_path / "events.log"
        seen = office.ctl(
            "watch", "-t", "door-1", "--backlog", "--save", kept, "--heal", "--for", "1", "--json"
        )
        assert seen.code == 0, seen.err
        again = edged("provision", "request", "--tls", "-o", request, "-c", config, "--json").json
        assert again["fingerprint"] == asked.json["fingerprint"], "a renewal is the same again"
    finally:
        terminal.kill()
        broker.kill()
