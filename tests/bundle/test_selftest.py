"""A self-test finds a network that means something else, and believes nothing of its own file."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from edged.bundle import selftest
from edged.bundle.load import load_bundle
from edged.bundle.network import open_network
from edged.config.schema import Model
from edged.errors import BundleError
from edged.vision.embed import Embedder
from edged.vision.reference import reference_chips


def run(written):
    bundle = load_bundle(written.folder)
    runner = open_network(bundle, Model())
    try:
        return selftest.run(bundle, Embedder(bundle.recogniser, runner).embed)
    finally:
        runner.close()


def test_a_network_passes_the_test_it_made(written):
    assert run(written) is None  # no self-test, nothing to fail
    outcome = run(written.add_selftest())
    assert outcome.chips == 3
    assert outcome.cosine == pytest.approx(1, abs=1e-4)
    assert outcome.difference == pytest.approx(0, abs=1e-3)


def test_the_same_arrays_are_the_same_bytes(written, tmp_path):
    test = selftest.read(load_bundle(written.add_selftest().folder))
    for name in "a.npz", "b.npz":
        test.save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def off(test):
    """More than a log variance may be off by, on the scale of this network."""
    return np.float32(0.2 + 0.1 * np.ptp(test.log_variances))


@pytest.mark.parametrize(
    "change",
    [
        lambda test: replace(test, embeddings=np.roll(test.embeddings, 1, axis=1)),
        lambda test: replace(test, embeddings=-test.embeddings),
        lambda test: replace(test, log_variances=test.log_variances + off(test)),
        lambda test: replace(test, chips=test.chips[::-1]),
        lambda test: replace(test, chips=test.chips[..., ::-1]),
    ],
)
def test_other_answers_than_those_expected_fail(written, change):
    written.add_selftest(change)
    with pytest.raises(BundleError, match=r"self-test failed: .* cosine .* log variance off by"):
        run(written)


def test_a_network_that_gives_no_numbers_fails_and_makes_no_test(written):
    bundle = load_bundle(written.add_selftest().folder)
    none = SimpleNamespace(embedding=np.zeros(8, np.float32), log_variance=float("nan"))
    with pytest.raises(BundleError, match="self-test failed"):
        selftest.run(bundle, lambda chip: none)
    with pytest.raises(BundleError, match="1 to 32 chips that the network can embed"):
        selftest.make([np.zeros((16, 16, 3), np.uint8)], lambda chip: none)
    with pytest.raises(BundleError, match="1 to 32 chips"):
        selftest.make([], lambda chip: none)


def test_a_self_test_that_is_not_listed_is_refused(written):
    written.data["selftest"] = "selftest.npz"
    written.write()
    with pytest.raises(BundleError, match=r"selftest selftest\.npz is not listed in files"):
        load_bundle(written.folder)


def npz(path, **arrays):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            content = array
            if not isinstance(array, bytes):
                stream = io.BytesIO()
                np.lib.format.write_array(stream, array, version=(1, 0))
                content = stream.getvalue()
            archive.writestr(f"{name}.npy", content)


def good():
    unit = np.zeros((2, 8), np.float32)
    unit[:, 0] = 1
    return {
        "chips": np.zeros((2, 16, 16, 3), np.uint8),
        "embeddings": unit,
        "log_variances": np.zeros(2, np.float32),
    }


def claimed(shape, descr="|u1", data=b""):
    """An array whose header says what its data does not hold."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}"
    padded = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded.encode() + data


def header(start):
    """An array's header that is Python, and means nothing."""
    text = start + b"'fortran_order':False,'shape':(1,)}\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


class Bomb:
    """Would run code, were it ever unpickled."""

    def __reduce__(self):
        return (pytest.exit, ("a pickle was run",))


def pickled():
    array = np.empty(1, object)
    array[0] = Bomb()
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=True)
    assert b"a pickle was run" in stream.getvalue()
    return stream.getvalue()


HOSTILE = {
    "an array is missing": lambda a: a.pop("chips"),
    "an array too many": lambda a: a.update(more=np.zeros(1)),
    "a pickle": lambda a: a.update(chips=pickled()),
    "chips of another size": lambda a: a.update(chips=np.zeros((2, 17, 16, 3), np.uint8)),
    "chips of floats": lambda a: a.update(chips=np.zeros((2, 16, 16, 3), np.float32)),
    "embeddings of doubles": lambda a: a.update(embeddings=a["embeddings"].astype(float)),
    "embeddings of another size": lambda a: a.update(embeddings=np.ones((2, 9), np.float32)),
    "embeddings of no length": lambda a: a.update(embeddings=np.zeros((2, 8), np.float32)),
    "embeddings too long": lambda a: a.update(embeddings=a["embeddings"] * 3),
    "other lengths": lambda a: a.update(log_variances=np.zeros(3, np.float32)),
    "no number": lambda a: a.update(log_variances=np.full(2, np.nan, np.float32)),
    "nothing in it": lambda a: a.update(chips=np.zeros((0, 16, 16, 3), np.uint8)),
    "too many": lambda a: a.update(chips=np.zeros((33, 16, 16, 3), np.uint8)),
    "by column": lambda a: a.update(chips=np.asfortranarray(a["chips"])),
    "a shape without data": lambda a: a.update(chips=claimed((2, 16, 16, 3))),
    "a gigantic shape": lambda a: a.update(chips=claimed((2**60, 16, 16, 3))),
    "a negative shape": lambda a: a.update(chips=claimed((-1, 16, 16, 3))),
    "a shape that is none": lambda a: a.update(chips=claimed("'frog'")),
    "a type that is none": lambda a: a.update(chips=claimed((2, 16, 16, 3), "frog")),
    "a header without end": lambda a: a.update(chips=claimed((2, 16, 16, 3))[:40]),
    "a type that is nothing": lambda a: a.update(chips=header(b"{'descr':(),")),
    "a type that names itself": lambda a: a.update(chips=header(b"{'descr':('|u1',),")),
    "a key that cannot be one": lambda a: a.update(chips=header(b"{[]:1,")),
    "keys that cannot be sorted": lambda a: a.update(chips=header(b"{1:1,'descr':'|u1',")),
    "no array": lambda a: a.update(chips=b"frog"),
    "a bomb": lambda a: a.update(chips=bytes(64 << 20)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_that_is_no_self_test_is_refused_unread(written, kind):
    arrays = good()
    path = written.folder / "selftest.npz"
    npz(path, **arrays)
    written.data["selftest"] = "selftest.npz"
    written.digest_files()
    assert selftest.read(load_bundle(written.folder)) is not None  # the helper makes good ones
    HOSTILE[kind](arrays)
    npz(path, **arrays)
    written.digest_files()
    with pytest.raises(BundleError, match=r"selftest\.npz: no self-test of this network: "):
        run(written)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"x" * 1000])
def test_a_file_that_is_no_archive_is_refused(written, content):
    (written.folder / "selftest.npz").write_bytes(content)
    written.data["selftest"] = "selftest.npz"
    written.digest_files()
    with pytest.raises(BundleError, match="no self-test of this network"):
        run(written)


def test_a_spoilt_byte_in_the_archive_raises_nothing_else(written):
    good_bytes = (written.add_selftest().folder / "selftest.npz").read_bytes()
    for place in range(0, len(good_bytes), max(1, len(good_bytes) // 150)):
        spoilt = bytearray(good_bytes)
        spoilt[place] ^= 0xFF
        (written.folder / "selftest.npz").write_bytes(spoilt)
        try:
            selftest.read(load_bundle_again(written))
        except BundleError as fault:
            assert "no self-test" in str(fault)  # noqa: PT017  # some bytes matter to nobody


def load_bundle_again(written):
    written.digest_files()
    return load_bundle(written.folder)


def test_reference_chips_show_one_face_well_and_badly_and_are_always_the_same():
    from edged.bundle.load import find_bundle

    manifest = load_bundle(find_bundle("mobilefacenet-rts")).recogniser
    chips = reference_chips(manifest.alignment.landmarks, (112, 112))
    assert {(chip.shape, chip.dtype.name) for chip in chips} == {((112, 112, 3), "uint8")}
    again = reference_chips(manifest.alignment.landmarks, (112, 112))
    assert all((one == other).all() for one, other in zip(chips, again, strict=True))


def test_the_shipped_network_passes_its_reference_chips_on_either_runtime():
    from edged.bundle.load import find_bundle
    from edged.runtime.table import available

    runtimes = [report.name for report in available() if not report.problem]
    if len(runtimes) < 2:
        pytest.skip("fewer than two runtimes are installed")
    bundle = load_bundle(find_bundle("mobilefacenet-rts"))
    chips = reference_chips(bundle.recogniser.alignment.landmarks, (112, 112))
    made = []
    for name in runtimes:
        runner = open_network(bundle, Model(runtime=name))
        made.append(selftest.make(chips, Embedder(bundle.recogniser, runner).embed))
        runner.close()
    one, other = made
    cosines = (one.embeddings * other.embeddings).sum(axis=1)
    assert cosines.min() >= selftest.LEAST_COSINE
    assert np.abs(one.log_variances - other.log_variances).max() <= selftest.LARGEST_DIFFERENCE
    assert one.log_variances[0] < one.log_variances[2:].min()  # and the score means something


@pytest.mark.parametrize(("off", "passes"), [(0.9, True), (1.1, False)])
def test_the_log_variance_s_own_scale_decides_what_it_may_be_off_by(written, off, passes):
    scale = np.array([0, 10, 20], np.float32)
    written.add_selftest(lambda test: replace(test, log_variances=scale))
    bundle = load_bundle(written.folder)
    expected = selftest.read(bundle)
    answers = [
        SimpleNamespace(embedding=embedding, log_variance=float(number) + off)
        for embedding, number in zip(expected.embeddings, scale, strict=True)
    ]
    answer = iter(answers)
    if passes:
        outcome = selftest.run(bundle, lambda _: next(answer))
        assert outcome.difference == pytest.approx(off)
    else:
        with pytest.raises(BundleError, match=r"off by 1\.1 \(expected 1 or less"):
            selftest.run(bundle, lambda _: next(answer))


def test_a_spoilt_lzma_stream_is_refused(written):
    path = written.folder / "selftest.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name in "chips.npy", "embeddings.npy", "log_variances.npy":
            archive.writestr(name, b"a" * 2000)
    content = bytearray(path.read_bytes())
    start = content.find(b"chips.npy") + 9
    for place in range(start + 9, start + 40):
        content[place] ^= 0x5A
    path.write_bytes(content)
    written.data["selftest"] = "selftest.npz"
    written.digest_files()
    with pytest.raises(BundleError, match="no self-test of this network"):
        selftest.read(load_bundle(written.folder))
