"""YAML in, a frozen `Config` out, or every problem at once with its place in the file."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_origin

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from edged.config.base import EXPECTED
from edged.config.schema import Config, Misplaced
from edged.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LARGEST_FILE = 1_000_000
_SECRET = frozenset({"key", "public_key"})  # what is given here may be a key by mistake
_EXPECTED = {
    "tuple_type": "expected a list, such as [a, b]",
    "frozen_set_type": "expected a list, such as [a, b]",
    "dict_type": "expected settings, each with its name",
    "model_type": "expected settings, each with its name",
    "string_type": "expected text; put it in quotation marks",
    "too_short": "expected at least one entry",
    "date_from_datetime_parsing": "expected a day, such as 2026-12-24",
    "date_type": "expected a day, such as 2026-12-24",
    "date_parsing": "expected a day, such as 2026-12-24",
}
_NAMES_OR_PATHS = ("bundle", "detector", "source")
_DEEPEST = 20
_MOST_VALUES = 20_000
# What PyYAML raises on a tag that its value belies, such as ``!!timestamp x``.
NOT_A_VALUE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
Path_ = tuple[str | int, ...]
T = TypeVar("T", bound=BaseModel)


def _steps(path: str | Path_) -> tuple[str, ...]:
    """Places in a list are written as names are: ``rules``, ``0``."""
    return tuple(path.split(".")) if isinstance(path, str) else tuple(map(str, path))


class _Document:
    """A parsed YAML document: plain data, and where each value and key stands."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.problems: list[str] = []
        self.marks: dict[tuple[str, ...], yaml.Mark] = {}
        self._built = 0
        self.data: Any = None
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as fault:
            self.problems.append(self._syntax(fault))
            return
        except yaml.YAMLError as fault:
            why = " ".join(str(fault).split())  # a reader's complaint has several lines
            self.problems.append(f"{name}:1:1: (file): not readable as YAML: {why}")
            return
        except RecursionError:
            self.problems.append(f"{name}:1:1: (file): nested too deeply")
            return
        self.data = self._build(node, ()) if node is not None else None

    def _syntax(self, fault: yaml.MarkedYAMLError) -> str:
        mark = fault.problem_mark or fault.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        problem = fault.problem or str(fault)
        if "'\\t'" in problem:
            problem = "a tab cannot indent YAML; use spaces"
        return f"{self.name}:{place}: (file): {problem}"

    def _build(self, node: yaml.Node, path: Path_, depth: int = 0) -> Any:
        self.marks.setdefault(_steps(path), node.start_mark)
        self._built += 1
        if depth > _DEEPEST or self._built > _MOST_VALUES:  # aliases can multiply without end
            if self._built <= _MOST_VALUES + 1:
                self.problem(path, "nested too deeply, or too many values")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self._build(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]
        try:
            return yaml.SafeLoader("").construct_object(node)
        except (yaml.YAMLError, *NOT_A_VALUE) as fault:
            self.problem(path, f"not a usable value: {fault}")
            return None

    def _mapping(self, node: yaml.MappingNode, path: Path_, depth: int) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            here = (*path, key)
            if key in built:
                first = self.marks[_steps(here)].line + 1
                self.marks[_steps(here)] = key_node.start_mark
                self.problem(here, f"given twice (first in line {first})")
                continue
            self.marks[_steps(here)] = key_node.start_mark
            built[key] = self._build(value_node, here, depth + 1)
        return built

    def problem(self, path: Path_, what: str) -> None:
        """Note a problem at the nearest place that the file really has."""
        self.problems.append(self.line(path, what))

    def line(self, path: Path_, what: str) -> str:
        """``file:line:column: path: what``."""
        at = _steps(path)
        while at and at not in self.marks:
            at = at[:-1]
        mark = self.marks.get(at)
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        return f"{self.name}:{place}: {'.'.join(_steps(path)) or '(file)'}: {what}"


def _known_keys(model: type[BaseModel], path: Path_, data: Any) -> list[str]:
    """The settings that would have been understood beside the unknown one at `path`."""
    current: Any = model
    in_table = False
    for step in path[:-1]:
        if isinstance(step, int):
            data = data[step] if isinstance(data, list) else None
            continue
        data = data.get(step) if isinstance(data, dict) else None
        field = current.model_fields.get(step)
        if field is None and in_table:
            continue
        if field is None:
            return []
        in_table = get_origin(field.annotation) is dict  # of names that the installer chooses
        current = _model_in(field.annotation, data)
        if current is None:
            return []
    return list(current.model_fields)


def _model_in(annotation: Any, data: Any) -> type[BaseModel] | None:
    """The settings class that an annotation such as ``A | B | None`` means for `data`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = getattr(annotation, "__args__", ())
    models = [found for part in inner if (found := _model_in(part, data)) is not None]
    if len(models) > 1 and isinstance(data, dict):
        for model in models:
            driver = model.model_fields.get("driver")
            if driver and data.get("driver") in getattr(driver.annotation, "__args__", ()):
                return model
    return models[0] if models else None


def _unknown(path: Path_, data: Any, model: type[BaseModel]) -> str:
    key = str(path[-1])
    known = _known_keys(model, path, data)
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if not close and "_" in key:
        stem = key.rsplit("_", 1)[0]
        close = [name for name in known if name.rsplit("_", 1)[0] == stem][:1]
    hint = f"; did you mean {close[0]}?" if close else f"; known here: {', '.join(known)}"
    return f"unknown setting{hint if known else ''}"


def _message(error: Any, path: Path_, data: Any, model: type[BaseModel]) -> str:
    kind, given = error["type"], error.get("input")
    context = error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(path, data, model)
    if kind == "missing":
        return "is missing and has no default"
    if kind == "union_tag_not_found":
        return "needs a driver"
    if kind == "union_tag_invalid":
        return f"unknown driver (got {context.get('tag')!r}); known: {context.get('expected_tags')}"
    text = _told(kind, context) or error["msg"]
    text = text[:1].lower() + text[1:]
    if isinstance(given, dict | list) or _SECRET.intersection(map(str, path)):
        return text
    shown = repr(given)
    return f"{text} (got {shown if len(shown) <= 80 else shown[:77] + '…'})"


def _told(kind: str, context: Mapping[str, Any]) -> str:
    """What pydantic says in words of its own, in an installer's; empty: as it says it."""
    if kind == "string_pattern_mismatch" and context["pattern"] in EXPECTED:
        return f"expected {EXPECTED[context['pattern']]}"
    return _EXPECTED.get(kind) or str(context.get("error", ""))


def _hollow(error: Any, errors: Sequence[Any]) -> bool:
    """Whether a list is only said to be too short because something in it is wrong."""
    here = error["loc"]
    return error["type"] == "too_short" and any(
        other["loc"][: len(here)] == here and len(other["loc"]) > len(here) for other in errors
    )


def _problems(
    error: Any, path: Path_, data: Any, model: type[BaseModel]
) -> list[tuple[Path_, str]]:
    """What one error of pydantic's means, and where: some tell of several places."""
    told = error.get("ctx", {}).get("error")
    if isinstance(told, Misplaced):
        return [((*path, *below), what) for below, what in told.problems]
    return [(path, _message(error, path, data, model))]


def _place(location: tuple[str | int, ...], data: Any) -> Path_:
    """pydantic's location without the names of union members that it mixes in."""
    path: list[str | int] = []
    for step in location:
        if step == "[key]":  # of a table whose keys the installer chooses
            continue
        if isinstance(data, dict):
            if step in data:
                path.append(step)
                data = data[step]
                continue
            if data.get("driver") == step:
                continue
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            path.append(step)
            data = data[step]
            continue
        if isinstance(data, dict) and step == location[-1]:
            path.append(step)
    return tuple(path)


def parse(text: str, name: str = "config", folder: Path | None = None) -> Config:
    """Validate a terminal's configuration; see `parse_as`."""
    return parse_as(Config, text, name, folder)


def parse_as(
    model: type[T],
    text: str,
    name: str,
    folder: Path | None = None,
    given: Mapping[str, Any] | None = None,
) -> T:
    """Validate the text of any file of settings.

    Args:
        model: what it holds.
        text: the YAML document.
        name: how the file is called in messages.
        folder: relative paths are taken from here; None leaves them as they are.
        given: goes over what the document says, part by part, such as a command's options.

    Raises:
        ConfigError: with every problem, one a line.
    """
    document = _Document(name, text)
    if given and not document.problems:
        document.data = _over(document.data, given)
    if document.data is None or not isinstance(document.data, dict):
        if not document.problems:
            document.problem((), "expected settings, found nothing that holds any")
        raise ConfigError(document.problems)
    config: T | None = None
    try:
        config = model.model_validate(document.data)
    except ValidationError as fault:
        seen: set[tuple[Path_, str]] = set()
        errors = fault.errors(include_url=False)
        for error in errors:
            if _hollow(error, errors):
                continue
            path = _place(error["loc"], document.data)
            for place, message in _problems(error, path, document.data, model):
                if (place, message) not in seen:
                    seen.add((place, message))
                    document.problem(place, message)
    if document.problems or config is None:
        raise ConfigError(in_order(document.problems))
    return _anchored(config, folder) if folder is not None else config


def _over(below: Any, given: Mapping[str, Any]) -> Any:
    if below is not None and not isinstance(below, dict):
        return below
    merged = dict(below or {})
    for name, value in given.items():
        merged[name] = _over(merged.get(name), value) if isinstance(value, dict) else value
    return merged


def _line_of(problem: str) -> tuple[int, int]:
    parts = problem.rsplit(": ", 2)[0].split(":")
    numbers = [int(part) for part in parts if part.isdigit()]
    return (numbers[0], numbers[1]) if len(numbers) > 1 else (0, 0)


def _is_below(folder: Path, name: str) -> bool:
    """Whether a setting that may be a name or a path means something beside the file."""
    # Without a slash it is a name: a folder that happens to be called "mtcnn" changes nothing.
    return "/" in name and not Path(name).is_absolute() and (folder / name).exists()


def _anchored(settings: T, folder: Path) -> T:
    """Make every relative path of the settings absolute."""
    changes: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Path) and not value.is_absolute():
            changes[name] = folder / value
        elif isinstance(value, tuple) and any(isinstance(item, Path) for item in value):
            changes[name] = tuple(folder / item for item in value)  # an absolute one stays
        elif isinstance(value, str) and name in _NAMES_OR_PATHS and _is_below(folder, value):
            changes[name] = str(folder / value)
        elif isinstance(value, BaseModel):
            changes[name] = _anchored(value, folder)
        elif isinstance(value, dict):
            changes[name] = {
                key: _anchored(one, folder) if isinstance(one, BaseModel) else one
                for key, one in value.items()
            }
    return settings.model_copy(update=changes) if changes else settings


def load(path: Path) -> Config:
    """Read and validate a configuration file; see `parse` for the errors.

    Compiled networks are kept where systemd made room for them, unless the file says where.
    """
    config = parse(read_text(path), str(path), path.resolve().parent)
    cache = os.environ.get("CACHE_DIRECTORY")
    if cache and config.model.cache_dir is None:
        model = config.model.model_copy(update={"cache_dir": Path(cache)})
        return config.model_copy(update={"model": model})
    return config


def load_parts(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Every part of a configuration that is usable by itself, and all problems of the others.

    For looking at what can be looked at although something is wrong elsewhere.

    Raises:
        ConfigError: the file cannot be read, or is no YAML.
    """
    try:
        config = load(path)
        return {name: getattr(config, name) for name in Config.model_fields}, []
    except ConfigError as fault:
        problems = fault.problems
    data = _Document(str(path), read_text(path)).data
    if not isinstance(data, dict):
        raise ConfigError(problems)
    parts: dict[str, Any] = {}
    for name, field in Config.model_fields.items():
        if name not in data:
            if not field.is_required():
                parts[name] = field.get_default(call_default_factory=True)
            continue
        try:
            kind: Any = field.annotation
            part = TypeAdapter(kind).validate_python(data[name])
        except ValidationError:
            continue
        folder = path.resolve().parent
        parts[name] = _anchored(part, folder) if isinstance(part, BaseModel) else part
    return parts, problems


def in_order(problems: list[str]) -> list[str]:
    """Problems in the order of their places in the file."""
    return sorted(problems, key=_line_of)


def problem_at(path: Path, dotted: str, what: str) -> str:
    """A problem that showed only in use, with the place of its setting in the file.

    Args:
        path: a configuration file that `load` accepts.
        dotted: the setting, such as ``gallery.path``; its nearest parent that is there counts.
    """
    return _Document(str(path), read_text(path)).line(tuple(dotted.split(".")), what)


class Lines:
    """Where each setting of a file stands, for whoever must name the line that decided."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._written = text.splitlines()
        self._document = _Document(name, text)

    def line(self, path: str | Path_) -> int | None:
        """The line of a setting, from 1: a dotted path such as ``access.rules.0.when``, or its
        steps where a name in it has dots. Of one that is not there it is its nearest parent's;
        None: nothing of it is."""
        at = _steps(path)
        while at and at not in self._document.marks:
            at = at[:-1]
        return self._document.marks[at].line + 1 if at else None

    def told(self, path: str | Path_, what: str) -> str:
        """``file:line:column: path: what``."""
        return self._document.line(_steps(path), what)

    def quote(self, line: int) -> str:
        """What is written in a line, without the spaces around it."""
        return self._written[line - 1].strip() if 0 < line <= len(self._written) else ""


def lines_of(path: Path) -> Lines:
    """Where the settings of a file stand; see `read_text` for the errors."""
    return Lines(str(path), read_text(path))


def read_text(path: Path) -> str:
    """What a file of settings holds.

    Raises:
        ConfigError: it cannot be read, is no text, or is too large to be one.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ConfigError([f"{path}:1:1: (file): larger than 1 MB; not a configuration"])
        return path.read_text(encoding="utf-8")
    except OSError as fault:
        raise ConfigError([f"{path}:1:1: (file): cannot be read: {fault.strerror}"]) from fault
    except UnicodeDecodeError as fault:
        raise ConfigError([f"{path}:1:1: (file): not UTF-8 text: {fault.reason}"]) from fault
