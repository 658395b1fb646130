"""``manifest.yaml`` in, a `Manifest` out, or every problem with its field."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from edged.bundle.manifest import MANIFEST
from edged.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

    from edged.bundle.manifest import Detector, Recogniser

MANIFEST_NAME = "manifest.yaml"
_LARGEST = 256_000
_MEMBERS = {"recogniser", "detector", "logistic", "isotonic"}
_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "greater_than": "must be > {gt}",
    "greater_than_equal": "must be >= {ge}",
    "less_than": "must be < {lt}",
    "less_than_equal": "must be <= {le}",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_type": "must be text",
    "literal_error": "must be {expected}",
    "union_tag_invalid": "must be {expected_tags}",
    "union_tag_not_found": "is missing",
}


class _Loader(yaml.SafeLoader):
    """Plain data only: no tags, no aliases (they can grow without end), no key twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(None, None, "aliases are not allowed", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(None, None, "expected a name", key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(None, None, f"{key.value} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_manifest(path: Path) -> Recogniser | Detector:
    """Read and validate a manifest; see `manifest_bytes` and `parse_manifest`."""
    return parse_manifest(manifest_bytes(path), path)


def manifest_bytes(path: Path) -> bytes:
    """The file as it is, which is what a signature is over.

    Raises:
        BundleError: it cannot be read, or is too large for a manifest.
    """
    try:
        content = plain_bytes(path, _LARGEST + 1)
    except OSError as fault:
        raise BundleError(f"{path}: (file): cannot be read: {fault.strerror}") from fault
    if len(content) > _LARGEST:
        raise BundleError(f"{path}: (file): larger than {_LARGEST} bytes; not a manifest")
    return content


def plain_bytes(path: Path, most: int) -> bytes:
    """The first bytes of a plain file; a named pipe is not waited for.

    Raises:
        OSError: it cannot be read, or is something else.
    """
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "not a plain file", str(path))
        with open(number, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(number)


def parse_manifest(content: bytes, path: Path) -> Recogniser | Detector:
    """Validate a manifest that was read from `path`.

    Raises:
        BundleError: one line for each problem, ``path: field: what is wrong (got …)``.
    """
    data = _data(content, path)
    if not isinstance(data, dict):
        raise BundleError(f"{path}: (file): expected the fields of a manifest")
    try:
        return MANIFEST.validate_python(data)
    except ValidationError as fault:
        lines = [f"{path}: {_problem(error)}" for error in fault.errors(include_url=False)]
        raise BundleError("\n".join(lines)) from fault


def _data(content: bytes, path: Path) -> Any:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise BundleError(f"{path}: (file): not UTF-8 text") from fault
    try:
        # A SafeLoader that refuses more.
        return yaml.load(text, Loader=_Loader)  # noqa: S506
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark
        where = f"line {mark.line + 1}" if mark else "(file)"
        raise BundleError(f"{path}: {where}: {fault.problem}") from fault
    except (yaml.YAMLError, ValueError, RecursionError) as fault:
        raise BundleError(f"{path}: (file): not readable as YAML") from fault


def _problem(error: Any) -> str:
    kind, context, given = error["type"], error.get("ctx", {}), error.get("input")
    # pydantic names the member of a union as if it were a field.
    place = tuple(step for step in error["loc"] if step not in _MEMBERS)
    if kind.startswith("union_tag"):
        place, given = (*place, context["discriminator"].strip("'")), context.get("tag", {})
    field = ".".join(str(step) for step in place if step != "[key]") or "(file)"
    if kind in _WORDS:
        text = _WORDS[kind].format(**context)
    elif "error" in context:
        text = str(context["error"])
    else:
        text = error["msg"][:1].lower() + error["msg"][1:]
    if kind == "missing" or isinstance(given, dict | list | tuple):
        return f"{field}: {text}"
    shown = repr(given)
    return f"{field}: {text} (got {shown if len(shown) <= 80 else shown[:79] + '…'})"
