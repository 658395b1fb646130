"""Another bundle in force, in one step: whole and tried, or not at all."""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import resource
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from edged.bundle.inspect import can_inspect
from edged.bundle.install import install, is_older, rollback
from edged.bundle.load import find_bundle, load_bundle
from edged.bundle.network import open_network
from edged.bundle.store import hold, names
from edged.bundle.trust import Trust
from edged.config.schema import Model
from edged.errors import BundleError, DiskFull, EdgedError, RuntimeFault, StorageError
from edged.resources import shared


def trial(bundle):
    open_network(bundle, Model()).close()


def in_force(settings, name="tiny"):
    folder = find_bundle(name, settings.store)
    return load_bundle(folder, Trust.of(settings)).manifest.version


def folders(settings, name="tiny"):
    place = settings.store / name
    return sorted(p.name.rsplit("-", 1)[0] for p in place.iterdir()) if place.exists() else []


def test_the_first_is_in_force_and_a_link_or_a_crash_away_from_nothing(written, key, settings):
    change = install(written.sign(key).folder, settings, trial)
    assert change.before is None
    assert change.bundle.folder.parent == settings.store / "tiny"
    assert change.bundle.origin.startswith("signed by")
    assert in_force(settings) == "1.2.3"
    for name in "model.onnx", "manifest.yaml", "manifest.sig", "README.md":
        copy = change.bundle.folder / name
        assert copy.read_bytes() == (written.folder / name).read_bytes()
        assert copy.stat().st_mode & 0o077 == 0


def test_the_next_keeps_the_one_before_and_drops_the_one_before_that(written, newer, key, settings):
    install(written.sign(key).folder, settings, trial)
    change = install(newer.sign(key).folder, settings, trial)
    assert change.before.identity.startswith("tiny@1.2.3#")
    assert change.bundle.identity.startswith("tiny@1.3.0#")
    assert change.before.identity[-12:] != change.bundle.identity[-12:]
    newer.set("version", "1.4.0")
    install(newer.sign(key).folder, settings, trial)
    assert in_force(settings) == "1.4.0"
    assert folders(settings) == ["1.3.0", "1.4.0", "in"]


def test_rollback_returns_to_the_one_before_and_no_further(written, newer, key, settings):
    install(written.sign(key).folder, settings, trial)
    install(newer.sign(key).folder, settings, trial)
    change = rollback("tiny", settings, trial)
    assert change.bundle.manifest.version == in_force(settings) == "1.2.3"
    assert change.before.manifest.version == "1.3.0"
    assert folders(settings) == ["1.2.3", "in"]
    with pytest.raises(BundleError, match="tiny: there is no bundle to go back to"):
        rollback("tiny", settings, trial)
    assert in_force(settings) == "1.2.3"


def test_rollback_of_a_name_that_ships_ends_with_what_ships(settings, tmp_path):
    settings = settings.model_copy(update={"allow_unsigned": ("mtcnn",)})
    copy = shutil.copytree(shared("models") / "mtcnn", tmp_path / "copy")
    install(copy, settings, lambda _: None)
    assert find_bundle("mtcnn", settings.store).parent == settings.store / "mtcnn"
    assert rollback("mtcnn", settings, lambda _: None).bundle.origin == "ships with edged"
    assert find_bundle("mtcnn", settings.store) == shared("models") / "mtcnn"
    assert names(settings.store) == []


@pytest.mark.parametrize("name", ["tiny", "mtcnn", "..", "", "/etc"])
def test_rollback_of_what_was_never_installed_is_told(settings, name):
    with pytest.raises(BundleError, match="none is installed"):
        rollback(name, settings, trial)


def test_rollback_to_a_broken_bundle_is_refused_and_told(written, newer, key, settings):
    folder = install(written.sign(key).folder, settings, trial).bundle.folder
    install(newer.sign(key).folder, settings, trial)
    (folder / "model.onnx").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"(?s)was altered.*no bundle to go back to"):
        rollback("tiny", settings, trial)
    assert in_force(settings) == "1.3.0"


def test_the_same_again_changes_nothing_and_keeps_the_way_back(written, newer, key, settings):
    install(written.sign(key).folder, settings, trial)
    install(newer.sign(key).folder, settings, trial)
    change = install(newer.folder, settings, trial)
    assert not change.changed
    assert rollback("tiny", settings, trial).bundle.manifest.version == "1.2.3"


def test_a_broken_one_is_not_what_is_gone_back_to(written, newer, key, settings):
    install(written.sign(key).folder, settings, trial)
    broken = install(newer.sign(key).folder, settings, trial).bundle.folder
    (broken / "model.onnx").write_bytes(b"x")
    newer.set("version", "1.4.0")
    assert install(newer.sign(key).folder, settings, trial).before is None
    assert rollback("tiny", settings, trial).bundle.manifest.version == "1.2.3"


def test_a_damaged_record_is_told_and_mended_by_an_installation(written, newer, key, settings):
    install(written.sign(key).folder, settings, trial)
    record = settings.store / "tiny" / "in-force.json"
    bad = ["", "{}", '{"current": "../../x"}', '{"current": "/etc"}', '{"current": 1}', "[" * 9999]
    for text in bad:
        record.write_text(text)
        with pytest.raises(BundleError, match=r"in-force\.json: damaged; install the bundle again"):
            find_bundle("tiny", settings.store)
    install(newer.sign(key).folder, settings, trial)
    assert in_force(settings) == "1.3.0"
    assert folders(settings) == ["1.3.0", "in"]


def test_a_trial_that_fails_takes_nothing_away_where_the_record_is_damaged(
    written, newer, key, settings
):
    def fail(bundle):
        raise RuntimeFault("no such device")

    there = install(written.sign(key).folder, settings, trial).bundle.folder
    record = settings.store / "tiny" / "in-force.json"
    record.write_text("{")
    with pytest.raises(RuntimeFault):
        install(newer.sign(key).folder, settings, fail)
    assert record.read_text() == "{"
    assert set(record.parent.iterdir()) == {record, there}


def test_what_a_process_holds_is_pruned_when_it_lets_go(written, newer, key, settings):
    held = install(written.sign(key).folder, settings, trial).bundle.folder
    number = hold(held)
    for version in "1.3.0", "1.4.0":
        newer.set("version", version)
        install(newer.sign(key).folder, settings, trial)
    rollback("tiny", settings, trial)
    load_bundle(held)
    assert folders(settings) == ["1.2.3", "1.3.0", "in"]
    os.close(number)
    install(newer.folder, settings, trial)
    assert folders(settings) == ["1.3.0", "1.4.0", "in"]
    with pytest.raises(BundleError, match="cannot be kept open"):
        hold(held)


# What is refused leaves everything as it was.


@pytest.fixture
def standing(written, key, settings):
    """A bundle in force, and a check that it still is, and that nothing else lies about."""
    install(written.sign(key).folder, settings, trial)

    def check():
        assert in_force(settings) == "1.2.3"
        assert folders(settings) == ["1.2.3", "in"]
        trial(load_bundle(find_bundle("tiny", settings.store)))

    return check


def refused(newer, settings, fault, match, trial=trial):
    with pytest.raises(fault, match=match):
        install(newer.folder, settings, trial)


def test_what_nobody_signed_is_not_installed(newer, settings, standing):
    refused(newer, settings, BundleError, "is not signed")
    standing()


def test_an_altered_file_is_not_installed(newer, key, settings, standing):
    (newer.sign(key).folder / "README.md").write_text("other")
    refused(newer, settings, BundleError, "was altered")
    standing()


def test_a_link_out_of_the_folder_is_not_followed(newer, key, settings, standing, tmp_path):
    network = newer.folder / "model.onnx"
    network.rename(tmp_path / "elsewhere.onnx")
    network.symlink_to(tmp_path / "elsewhere.onnx")
    newer.sign(key)
    refused(newer, settings, BundleError, "is a link that leads out of the folder")
    standing()


@pytest.mark.parametrize("name", ["README.md", "manifest.yaml", "manifest.sig"])
def test_no_link_at_all_is_followed(newer, key, settings, standing, name, tmp_path):
    newer.sign(key)
    path = newer.folder / name
    target = newer.folder / "LICENCE" if name == "README.md" else tmp_path / "aside"
    path.rename(target)
    path.symlink_to(target)
    if name == "README.md":
        newer.digest_files()
        newer.sign(key)
    refused(newer, settings, BundleError, rf"{name}: is a link")
    standing()


def test_a_network_that_does_not_load_is_taken_back(newer, key, settings, standing):
    (newer.folder / "model.onnx").write_bytes(b"\x08\x08" + b"x" * 99)
    newer.digest_files()
    newer.sign(key)
    refused(newer, settings, BundleError if can_inspect() else RuntimeFault, r"model\.onnx: ")
    standing()


def test_an_interrupted_trial_is_taken_back(newer, key, settings, standing):
    def interrupt(bundle):
        assert bundle.folder.parent == settings.store / "tiny"  # tried where it will run
        assert (bundle.manifest.version, in_force(settings)) == ("1.3.0", "1.2.3")
        raise KeyboardInterrupt("now")

    refused(newer.sign(key), settings, KeyboardInterrupt, "now", interrupt)
    standing()


def test_a_first_one_that_fails_leaves_nothing(written, key, settings):
    def fail(bundle):
        raise RuntimeFault("no such device")

    refused(written.sign(key), settings, RuntimeFault, "no such device", fail)
    assert names(settings.store) == []


def test_two_at_once_are_one_too_many(newer, key, settings, standing):
    with (settings.store / ".lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        refused(newer.sign(key), settings, StorageError, r"another `edged model` changes it")
        with pytest.raises(StorageError, match="another"):
            rollback("tiny", settings, trial)
    standing()
    install(newer.folder, settings, trial)


def test_a_trial_that_installs_finds_the_store_taken(written, newer, key, settings):
    newer.sign(key)
    inner = []

    def meddle(bundle):
        with pytest.raises(StorageError) as fault:
            install(newer.folder, settings, trial)
        inner.append(fault)

    install(written.sign(key).folder, settings, meddle)
    assert inner
    assert in_force(settings) == "1.2.3"


def test_a_store_that_cannot_be_made_is_told(written, key, settings, tmp_path):
    (tmp_path / "file").touch()
    for store in tmp_path / "file", tmp_path / "file" / "below":
        elsewhere = settings.model_copy(update={"store": store})
        refused(written.sign(key), elsewhere, StorageError, "file")


@contextmanager
def small_files(size):
    """No file of this process grows beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 100, 20_000])
def test_no_room_in_the_middle_of_a_copy_leaves_nothing_behind(
    newer, key, settings, standing, size
):
    newer.sign(key)
    with small_files(size), pytest.raises(DiskFull, match=r"no room left.* still is; free some"):
        install(newer.folder, settings, trial)
    standing()


@pytest.fixture
def disk(tmp_path):
    """Mounts a small disk of its own; root only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []

    def mount(options):
        argv = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if os.geteuid() or subprocess.run(argv, check=False, capture_output=True).returncode:
            pytest.skip("only root can mount a disk of this size")
        mounted.append(folder)
        return folder

    yield mount
    for one in mounted:
        subprocess.run(["umount", "-l", str(one)], check=True)


# The disk's root, the store, its lock and the name's folder take four entries.
@pytest.mark.parametrize("entries", [2, 3, 4, 5, 6, 7, 8, 9])
def test_a_full_disk_at_any_file_leaves_nothing_behind(written, key, settings, disk, entries):
    store = disk(f"size=8m,nr_inodes={entries}") / "store"
    settings = settings.model_copy(update={"store": store})
    with pytest.raises(DiskFull):
        install(written.sign(key).folder, settings, trial)
    assert not store.exists() or names(store) == []


def test_a_disk_too_small_is_told_before_anything_is_written(written, key, settings, disk):
    store = disk("size=512k") / "store"
    settings = settings.model_copy(update={"store": store})
    with pytest.raises(DiskFull, match=r"the bundle needs 1,\d+,\d+ bytes and \d+,\d+ are free"):
        install(written.sign(key).folder, settings, trial)
    assert names(store) == []


def test_every_fault_is_one_of_ours(newer, key, settings, standing, tmp_path):
    for source in tmp_path / "absent", tmp_path, newer.folder / "README.md":
        with pytest.raises(EdgedError):
            install(source, settings, trial)
    standing()


def test_what_is_older_is_installed_only_on_request(written, newer, key, settings):
    install(newer.sign(key).folder, settings, trial)
    written.sign(key)
    with pytest.raises(BundleError, match=r"version 1\.2\.3, older than the 1\.3\.0 .*--older"):
        install(written.folder, settings, trial)
    assert in_force(settings) == "1.3.0"
    assert folders(settings) == ["1.3.0", "in"]
    change = install(written.folder, settings, trial, older=True)
    assert is_older(change.bundle, change.before)
    assert in_force(settings) == "1.2.3"


def test_what_is_older_than_what_ships_is_refused_too(settings, tmp_path):
    settings = settings.model_copy(update={"allow_unsigned": ("mtcnn",)})
    copy = shutil.copytree(shared("models") / "mtcnn", tmp_path / "copy")
    manifest = copy / "manifest.yaml"
    manifest.write_text(re.sub(r"(?m)^version: .*$", "version: 0.0.1", manifest.read_text()))
    with pytest.raises(BundleError, match=r"version 0\.0\.1, older than"):
        install(copy, settings, lambda _: None)


def test_versions_are_ordered_as_semantic_versioning_orders_them(written):
    order = ["1.0.0-1", "1.0.0-9", "1.0.0-10", "1.0.0-a", "1.0.0-a.1", "1.0.0-b", "1.0.0"]
    order += ["1.0.1+b-a", "1.9.9", "1.10.0", "10.0.0"]
    bundles = []
    for version in order:
        written.set("version", version)
        bundles.append(load_bundle(written.folder))
    for one, other in itertools.product(range(len(order)), repeat=2):
        assert is_older(bundles[one], bundles[other]) == (one < other)


def test_weights_in_another_file_are_refused_where_onnx_is_installed(written, key, settings):
    onnx = pytest.importorskip("onnx", reason="onnx looks into networks")
    path = written.folder / "model.onnx"
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    written.digest_files()
    with pytest.raises(BundleError, match="keeps weights in another file"):
        install(written.sign(key).folder, settings, trial)
    assert not settings.store.exists()


def test_a_store_of_another_user_is_refused_for_nobody_else_could_read_what_is_made(
    written, key, settings, tmp_path
):
    root = os.geteuid() == 0
    store = tmp_path / "var" / "models" if root else Path("/usr")
    settings = settings.model_copy(update={"store": store})
    if root:
        store.parent.mkdir()
        os.chown(store.parent, 65534, 65534)
    refused(written.sign(key), settings, StorageError, "sudo edged-as-service model")
    if root:
        assert not store.exists()
        store.mkdir()
        install(written.folder, settings, trial)  # root's own store
        os.chown(store, 65534, 65534)
        with pytest.raises(StorageError, match=f"{store}: belongs to uid 65534"):
            rollback("tiny", settings, trial)
