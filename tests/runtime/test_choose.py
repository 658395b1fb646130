"""What is picked, and what is said when there is nothing to pick."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from edged.config.schema import Model
from edged.errors import RuntimeFault
from edged.runtime import base, onnxruntime, openvino
from edged.runtime.base import RuntimeReport
from edged.runtime.choose import candidates, open_runner
from edged.runtime.table import RUNTIMES, available


def here(name: str, *devices: str) -> RuntimeReport:
    return RuntimeReport(name, True, "1.0", devices, "", "")


def absent(name: str) -> RuntimeReport:
    return RuntimeReport(name, False, "", (), "not installed", f"pip install 'edged[{name}]'")


INTEL = [here("openvino", "CPU", "GPU", "NPU"), here("onnxruntime", "CPU")]
JETSON = [absent("openvino"), here("onnxruntime", "TensorRT", "CUDA", "CPU")]
NVIDIA = [here("openvino", "CPU"), here("onnxruntime", "TensorRT", "CUDA", "CPU")]
SMALL = [here("openvino", "CPU"), here("onnxruntime", "CPU")]


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (INTEL, [("openvino", "NPU"), ("openvino", "GPU"), ("openvino", "CPU")]),
        (JETSON, [("onnxruntime", "TensorRT"), ("onnxruntime", "CUDA"), ("onnxruntime", "CPU")]),
        (NVIDIA, [("onnxruntime", "TensorRT"), ("onnxruntime", "CUDA"), ("openvino", "CPU")]),
        (SMALL, [("openvino", "CPU"), ("onnxruntime", "CPU")]),
        ([here("openvino", "CPU", "GPU.0", "GPU.1"), absent("onnxruntime")],
         [("openvino", "GPU.0"), ("openvino", "GPU.1"), ("openvino", "CPU")]),
    ],
)  # fmt: skip
def test_auto_tries_the_best_first(machine, expected):
    assert candidates(Model(), machine)[: len(expected)] == expected


def test_a_named_runtime_is_the_only_one_tried():
    assert candidates(Model(runtime="onnxruntime"), SMALL) == [("onnxruntime", "CPU")]


def test_a_named_device_is_the_only_one_tried():
    assert candidates(Model(device="cuda"), NVIDIA) == [("onnxruntime", "cuda")]
    assert candidates(Model(device="GPU"), INTEL) == [("openvino", "GPU")]
    assert candidates(Model(device="cpu"), NVIDIA) == [("openvino", "cpu")]


def test_auto_in_capitals_is_openvinos_own_device():
    assert candidates(Model(device="AUTO"), SMALL) == [("openvino", "AUTO")]


def test_with_neither_installed_the_error_names_both_extras():
    with pytest.raises(RuntimeFault) as fault:
        candidates(Model(), [absent("openvino"), absent("onnxruntime")])
    assert "edged[openvino]" in str(fault.value)
    assert "edged[onnxruntime]" in str(fault.value)


def test_a_named_runtime_that_is_not_installed_says_what_to_install():
    with pytest.raises(RuntimeFault, match=r"pip install 'edged\[openvino\]'"):
        candidates(Model(runtime="openvino"), JETSON)


def test_a_named_device_that_nobody_has_lists_what_is_there():
    with pytest.raises(RuntimeFault, match=r"no npu here; present: openvino: CPU; onnxruntime: C"):
        candidates(Model(device="npu"), SMALL)


def test_options_without_a_runtime_are_refused_rather_than_guessed_at():
    with pytest.raises(RuntimeFault, match=r"set model\.runtime to openvino or onnxruntime"):
        candidates(Model(options={"NUM_STREAMS": 1}), SMALL)


def test_a_network_of_varying_shape_leaves_the_npu_and_says_so():
    assert openvino.placement("NPU", fixed=True) == ("NPU", "")
    device, remark = openvino.placement("NPU", fixed=False)
    assert device == "CPU"
    assert "fixed shapes" in remark


@pytest.mark.parametrize("name", ["AUTO", "auto:CPU", "HETERO:GPU,CPU", "MULTI:CPU"])
def test_devices_that_openvino_composes_are_known(name):
    assert openvino.resolve(name, ["CPU", "GPU"]) == name.upper()


def test_a_composed_device_with_an_absent_member_is_refused():
    with pytest.raises(RuntimeFault, match="no NPU here; present: CPU"):
        openvino.resolve("AUTO:NPU,CPU", ["CPU"])


def test_the_first_of_several_gpus_answers_to_the_short_name():
    assert openvino.resolve("gpu", ["CPU", "GPU.0", "GPU.1"]) == "GPU"
    assert openvino.resolve("GPU.0", ["CPU", "GPU"]) == "GPU.0"


def test_providers_are_found_by_any_spelling():
    present = ["TensorRT", "CUDA", "CPU"]
    for name in ("tensorrt", "TensorRT", "TensorrtExecutionProvider"):
        assert onnxruntime.resolve(name, present) == "TensorrtExecutionProvider"
    assert onnxruntime.resolve("cuda", present) == "CUDAExecutionProvider"


def test_tensorrt_keeps_its_engine_and_reads_int8_from_the_network(tmp_path):
    settings = Model(cache_dir=tmp_path, options={"trt_fp16_enable": False, "device_id": 1})
    options = onnxruntime.provider_options("TensorrtExecutionProvider", settings, quantised=True)
    assert options["trt_int8_enable"] == "true"
    assert options["trt_engine_cache_path"] == str(tmp_path)
    assert options["trt_fp16_enable"] == "false"  # the installer's word is the last
    assert options["device_id"] == "1"
    plain = onnxruntime.provider_options("TensorrtExecutionProvider", Model(), quantised=False)
    assert plain == {"trt_fp16_enable": "true"}


def test_what_tensorrt_does_not_know_goes_to_cuda_then_to_the_cpu():
    names = [name for name, _ in onnxruntime.provider_list("TensorrtExecutionProvider", {})]
    assert names == [f"{name}ExecutionProvider" for name in ("Tensorrt", "CUDA", "CPU")]
    assert onnxruntime.provider_list("CPUExecutionProvider", {}) == [("CPUExecutionProvider", {})]


def test_auto_opens_something_and_says_why(runtime, networks):
    runner = open_runner(networks.convolution(), ["second"], Model())
    assert runner.describe().reason.startswith("auto: the best that is here (")
    assert runner.run(np.zeros((1, 3, 8, 8), np.float32))[0].shape == (1,)
    runner.close()


def test_what_was_named_is_the_reason(runtime, networks):
    path = networks.convolution()
    runner = open_runner(path, ["second"], Model(runtime=runtime, device="cpu"))
    assert runner.describe().reason == f"model.runtime is {runtime}; model.device is cpu"
    runner.close()
    runner = open_runner(path, ["second"], Model(runtime=runtime))
    assert runner.describe().reason.startswith(f"model.runtime is {runtime}; auto: the best")
    runner.close()


def test_the_report_has_every_runtime(runtime):
    reports = {report.name: report for report in available()}
    assert list(reports) == list(RUNTIMES)
    assert reports[runtime].installed
    assert "CPU" in reports[runtime].devices
    assert reports[runtime].hint == ""


def test_a_runtime_that_is_not_installed_is_reported_with_what_to_install(monkeypatch):
    def nothing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", nothing)
    for report in available():
        assert not report.installed
        assert report.problem == "not installed"
        assert report.hint == f"pip install 'edged[{report.name}]'"
    with pytest.raises(RuntimeFault, match=r"edged\[openvino\].*edged\[onnxruntime\]"):
        candidates(Model(), available())


def test_a_runtime_that_is_installed_but_broken_says_so(monkeypatch):
    def broken(name: str) -> None:
        raise ImportError("libtbb.so.12: cannot open shared object file")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(RuntimeFault, match=r"installed, but cannot be loaded: libtbb"):
        base.vendor("openvino")
    report = available()[0]
    assert report.installed
    assert "libtbb" in report.problem
    assert "--force-reinstall" in report.hint
