"""kill -9 before any step of an installation or a return: the old bundle or the new one is in
force, and the next installation works and tidies up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edged.bundle.install import install
from edged.bundle.load import find_bundle, load_bundle
from edged.bundle.trust import Trust

# Forks a child for each step, that dies before it; the steps are what Python's audit hooks see
# of the system calls. Answers how many there were, and leaves a store for each.
DRIVER = """
import os, shutil, signal, sys
from pathlib import Path
from edged.bundle.install import install, rollback
from edged.config.schema import Model

action, base, stores, source, trusted = sys.argv[1:]
STEPS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.listdir",
         "os.scandir", "fcntl.flock", "tempfile.mkdtemp", "tempfile.mkstemp", "shutil.rmtree"}

def child(step, store):
    seen = 0
    def hook(event, args):
        nonlocal seen
        if event in STEPS and (event == "fcntl.flock" or str(args[0]).startswith(store)):
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1
    settings = Model(store=store, trusted_keys=(trusted,))
    sys.addaudithook(hook)
    if action == "install":
        install(Path(source), settings, lambda bundle: None)
    else:
        rollback("tiny", settings, lambda bundle: None)
    os._exit(0)

step = 0
while True:
    store = f"{stores}/{step}"
    shutil.copytree(base, store)
    pid = os.fork()
    if not pid:
        try:
            child(step, store)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == 0:
        break
    assert code == -signal.SIGKILL, code
    step += 1
print(step)
"""


def test_killed_in_the_trial_the_old_one_is_in_force(written, newer, key, settings):
    install(written.sign(key).folder, settings, lambda _: None)
    code = (
        "import os, sys; from pathlib import Path; from edged.bundle.install import install;"
        "from edged.config.schema import Model; store, key, source = sys.argv[1:];"
        "install(Path(source), Model(store=store, trusted_keys=(key,)),"
        "        lambda _: os.kill(os.getpid(), 9))"
    )
    argv = [settings.store, settings.trusted_keys[0], newer.sign(key).folder]
    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, argv)], check=False, cwd=Path(__file__).parents[2]
    )
    assert ran.returncode == -9
    assert find_bundle("tiny", settings.store).name.startswith("1.2.3-")
    install(newer.folder, settings, lambda _: None)
    assert len(list((settings.store / "tiny").iterdir())) == 3  # both bundles and the record


@pytest.mark.parametrize(
    ("action", "old", "new"), [("install", "1.2.3", "1.3.0"), ("rollback", "1.2.3", "1.1.0")]
)
def test_killed_at_any_step(written, newer, key, settings, tmp_path, action, old, new):
    def put(bundle, version):
        bundle.set("version", version)
        install(bundle.sign(key).folder, settings, lambda _: None)

    if action == "rollback":
        put(newer, "1.1.0")
    put(written, "1.2.3")
    newer.set("version", "1.3.0")
    newer.sign(key)
    stores = tmp_path / "stores"
    stores.mkdir()
    argv = [action, settings.store, stores, newer.folder, settings.trusted_keys[0]]
    ran = subprocess.run(
        [sys.executable, "-c", DRIVER, *map(str, argv)],
        check=True,
        capture_output=True,
        cwd=Path(__file__).parents[2],
    )
    steps = int(ran.stdout)
    assert steps > (20 if action == "install" else 10)
    ends = []
    for step in range(steps + 1):
        after = settings.model_copy(update={"store": stores / str(step)})
        found = load_bundle(find_bundle("tiny", after.store), Trust.of(after))
        ends.append(found.manifest.version)
        newer.set("version", "1.9.0")
        install(newer.sign(key).folder, after, lambda _: None)
        place = after.store / "tiny"
        record = json.loads((place / "in-force.json").read_text())
        assert {p.name for p in place.iterdir()} == {"in-force.json", *record.values()}
        assert record["previous"] == found.folder.name
    switch = ends.index(new)
    assert ends == [old] * switch + [new] * (steps + 1 - switch)
    assert switch < steps  # there are steps after it too
