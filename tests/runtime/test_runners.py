"""The contract of a Runner, on every runtime that is installed here."""

from __future__ import annotations

import numpy as np
import pytest

from edged.config.schema import Model
from edged.errors import RuntimeFault
from edged.runtime.choose import open_runner
from edged.runtime.table import RUNTIMES

BOTH = ("first", "second")


def image(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def runner_on(runtime: str, path, outputs=BOTH, **settings):
    return RUNTIMES[runtime].runner(
        path, outputs, Model(runtime=runtime, **settings), "CPU", "because of the test"
    )


@pytest.fixture
def opened(runtime, networks):
    runner = runner_on(runtime, networks.convolution())
    runner.open()
    yield runner
    runner.close()


def test_outputs_come_in_the_order_asked_for(runtime, networks):
    path = networks.convolution()
    for names in (BOTH, BOTH[::-1], ("second",)):
        runner = runner_on(runtime, path, names)
        runner.open()
        shapes = [output.shape for output in runner.run(image(1, 3, 8, 8))]
        assert shapes == [{"first": (1, 4, 6, 6), "second": (1,)}[name] for name in names]
        assert [output.name for output in runner.describe().outputs] == list(names)
        runner.close()


def test_outputs_are_float32_and_belong_to_the_caller(opened):
    first = opened.run(image(1, 3, 8, 8, seed=1))
    kept = [output.copy() for output in first]
    opened.run(image(1, 3, 8, 8, seed=2))
    for output, copy in zip(first, kept, strict=True):
        assert output.dtype == np.float32
        np.testing.assert_array_equal(output, copy)
        output[...] = 0  # writable


def test_the_same_image_gives_the_same_answer(opened):
    one = image(1, 3, 8, 8)
    np.testing.assert_array_equal(opened.run(one)[0], opened.run(one.copy())[0])


def test_an_image_that_is_not_contiguous_is_read_right(opened):
    turned = image(8, 8, 3).transpose(2, 0, 1)[None]
    straight = np.ascontiguousarray(turned)
    assert not turned.flags.c_contiguous
    np.testing.assert_array_equal(opened.run(turned)[0], opened.run(straight)[0])


def test_the_runner_never_writes_into_the_image(opened):
    one = image(1, 3, 8, 8)
    before = one.copy()
    opened.run(one)
    np.testing.assert_array_equal(one, before)


def test_describe_tells_what_runs_where_and_why(opened, runtime):
    info = opened.describe()
    assert info.runtime == runtime
    assert info.version[0].isdigit()
    assert info.device == "CPU"
    assert info.input.name == "image"
    assert info.input.shape == (1, 3, 8, 8)
    assert info.input.fixed
    assert info.reason == "because of the test"


def test_shapes_that_vary_are_run_as_they_come(runtime, networks):
    runner = runner_on(runtime, networks.convolution(batch="n", size="s"))
    runner.open()
    assert not runner.describe().input.fixed
    reference = {}
    for _ in range(5):  # more often than a shape must be seen to be compiled for itself
        for batch, size in ((1, 8), (3, 8), (2, 17), (1, 40)):
            first, second = runner.run(image(batch, 3, size, size))
            assert first.shape == (batch, 4, size - 2, size - 2)
            assert second.shape == (batch,)
            expected = reference.setdefault((batch, size), first)
            np.testing.assert_allclose(first, expected, atol=1e-4)
    runner.close()


def test_more_shapes_than_are_kept_still_run(runtime, networks):
    runner = runner_on(runtime, networks.convolution(batch="n", size="s"))
    runner.open()
    for size in range(4, 24):
        for _ in range(4):
            assert runner.run(image(1, 3, size, size))[0].shape[-1] == size - 2
    runner.close()


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 3, 8, 9), (2, 3, 8, 8), (1, 3, 8, 8, 1), (0,)])
def test_an_image_of_another_shape_is_refused_and_the_runner_lives_on(opened, shape):
    with pytest.raises(RuntimeFault, match=r"image: expected shape \(1, 3, 8, 8\), got"):
        opened.run(np.zeros(shape, np.float32))
    opened.run(image(1, 3, 8, 8))


def test_an_empty_batch_is_refused(runtime, networks):
    runner = runner_on(runtime, networks.convolution(batch="n", size="s"))
    runner.open()
    with pytest.raises(RuntimeFault, match="expected shape"):
        runner.run(np.zeros((0, 3, 8, 8), np.float32))
    runner.close()


def test_a_failure_inside_the_runtime_is_a_runtime_fault(runtime, networks):
    runner = runner_on(runtime, networks.convolution(batch="n", size="s"))
    runner.open()
    with pytest.raises(RuntimeFault, match=r"convolution_any\.onnx"):
        runner.run(np.zeros((1, 3, 1, 1), np.float32))  # smaller than the kernel
    runner.close()


def test_close_is_safe_before_open_after_a_failed_open_and_twice(runtime, networks, tmp_path):
    runner = runner_on(runtime, tmp_path / "absent.onnx")
    runner.close()
    with pytest.raises(RuntimeFault):
        runner.open()
    runner.close()
    runner.close()


def test_a_closed_runner_says_so_and_can_be_reopened(opened):
    opened.close()
    with pytest.raises(RuntimeFault, match="not open"):
        opened.run(image(1, 3, 8, 8))
    with pytest.raises(RuntimeFault, match="not open"):
        opened.describe()
    opened.open()
    assert len(opened.run(image(1, 3, 8, 8))) == 2


@pytest.mark.parametrize("damage", ["absent", "empty", "text", "cut", "folder"])
def test_a_file_that_is_no_network_is_refused_by_name(runtime, networks, tmp_path, damage):
    path = tmp_path / "broken.onnx"
    whole = networks.convolution().read_bytes()
    if damage == "folder":
        path.mkdir()
    elif damage != "absent":
        contents = {"empty": b"", "text": b"not a network\n" * 50, "cut": whole[: len(whole) // 2]}
        path.write_bytes(contents[damage])
    with pytest.raises(RuntimeFault, match=r"broken\.onnx: "):
        runner_on(runtime, path).open()


def test_a_missing_output_is_named_with_those_there_are(runtime, networks):
    with pytest.raises(RuntimeFault, match=r"outputs: no third .*first.*second"):
        runner_on(runtime, networks.convolution(), ("first", "third")).open()


def test_a_network_with_two_inputs_is_refused(runtime, networks):
    with pytest.raises(RuntimeFault, match=r"inputs: expected exactly one \(got a, b\)"):
        runner_on(runtime, networks.two_inputs(), ("sum",)).open()


def test_an_input_of_whole_numbers_is_refused(runtime, networks):
    with pytest.raises(RuntimeFault, match="image: expected float32"):
        runner_on(runtime, networks.whole_numbers(), ("out",)).open()


def test_an_operation_that_the_runtime_lacks_is_refused(runtime, networks):
    with pytest.raises(RuntimeFault, match=r"odd\.onnx: .*refuses it"):
        runner_on(runtime, networks.unknown_operation(), ("out",)).open()


def test_a_device_that_is_not_here_is_an_error_that_lists_those_that_are(runtime, networks):
    settings = Model(runtime=runtime, device="NPU.7")
    with pytest.raises(RuntimeFault, match=r"no NPU\.7 here; present: .*CPU"):
        open_runner(networks.convolution(), BOTH, settings)


def test_options_that_the_runtime_does_not_know_are_refused(runtime, networks):
    settings = Model(runtime=runtime, device="CPU", options={"WARP_DRIVE": 9})
    with pytest.raises(RuntimeFault, match=r"WARP_DRIVE|takes none"):
        open_runner(networks.convolution(), BOTH, settings)


def test_one_thread_and_a_cache_folder_are_accepted(runtime, networks, tmp_path):
    settings = Model(runtime=runtime, threads=1, cache_dir=tmp_path / "cache")
    for _ in range(2):  # the second time from the cache
        runner = open_runner(networks.convolution(), BOTH, settings)
        runner.run(image(1, 3, 8, 8))
        runner.close()


def test_runtimes_agree(networks):
    answers = []
    for name in RUNTIMES:
        try:
            RUNTIMES[name].version()
        except RuntimeFault:
            pytest.skip(f"{name} is not installed")
        runner = runner_on(name, networks.convolution())
        runner.open()
        answers.append(runner.run(image(1, 3, 8, 8)))
        runner.close()
    for one, other in zip(*answers, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_onnxruntime_takes_int8_weights_and_computes_in_float(networks):
    image = np.full((1, 1, 4, 4), 0.3, np.float32)
    coarse = networks.quantised(largest=127.0)  # steps of one: int8 activations would say 0
    answers = {}
    for name in RUNTIMES:
        runner = runner_on(name, coarse, ("out",))
        runner.open()
        answers[name] = float(runner.run(image)[0].mean())
        runner.close()
    assert answers["onnxruntime"] == pytest.approx(0.3)
    assert answers["openvino"] == 0.0
