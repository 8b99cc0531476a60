"""Read a platform file and say exactly where it is wrong: file, line and key.

YAML is parsed once into nodes, which keep their lines, and converted strictly into the model
(`chaosp7.platform.model`): unknown keys, wrong types and names that don't belong together are
errors, never guesses.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import yaml

from chaosp7.child import started_in
from chaosp7.errors import ConfigError
from chaosp7.platform.consistency import Where, inconsistencies
from chaosp7.platform.model import Platform

__all__ = ["PLATFORM_ENV", "find", "load"]

#: Names the platform file that experiments use when they don't say one themselves.
PLATFORM_ENV = "CHAOSP7_PLATFORM"

_MSGSPEC_PATH = re.compile(r" - at `(?:key in )?(\$[^`]*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


def load(name_or_path: str | Path | None = None) -> Platform:
    """Read a platform file.

    Args:
        name_or_path: a path, or the name of a file in ``platforms/`` without its ending;
            ``None`` takes ``$CHAOSP7_PLATFORM``, or else ``embedded``.

    Returns:
        The platform, all of whose names are known to belong together.

    Raises:
        ConfigError: if the file is missing or wrong; the message begins with file and line.
    """
    return _load(find(name_or_path), ())


def _load(path: Path, above: tuple[Path, ...]) -> Platform:
    """Read a platform file that others extend.

    Args:
        path: the file.
        above: those that extend it, the last one directly.
    """
    if path.resolve() in above:
        raise ConfigError(f"{above[-1]}: extends: {path} extends this file already")
    above = (*above, path.resolve())
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not YAML: {error.problem}") from error
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path}:1: a platform file is a mapping with name, services, links and tiers")
    lines: dict[Where, int] = {}
    content = _plain(node, (), lines, path)
    base = content.pop("extends", None)
    if base is not None:
        content = _extended(_base(str(base), path, above), content, lines, path)
        # What was added is found by the names that it has now.
        lines |= {tuple(map(_plain_name, where)): line for where, line in lines.items()}
    try:
        platform = msgspec.convert({**content, "path": path}, Platform)
    except msgspec.ValidationError as error:
        raise _located(error, content, lines, path) from error
    for where, problem in inconsistencies(platform):
        raise ConfigError(f"{path}:{_line(lines, where)}: {_dotted(where)}: {problem}")
    return platform


def _extended(
    base: Mapping[str, Any],
    content: Mapping[str, Any],
    lines: Mapping[Where, int],
    path: Path,
    where: Where = (),
) -> dict[str, Any]:
    """Return a mapping of a file over that of the file that it extends.

    A key replaces the other file's; one that ends in ``+`` adds to its mapping instead, at any depth.

    Args:
        base: of the file that is extended.
        content: of the one that extends it.
        lines: where that one's keys are.
        path: the file that extends.
        where: keys that lead to the mapping.

    Raises:
        ConfigError: what is added to isn't a mapping.
    """
    result = dict(base)
    for key, value in content.items():
        name = key.removesuffix("+")
        if name == key:
            result[key] = value
            continue
        here, before = (*where, key), base.get(name)
        if not isinstance(before, Mapping) or not isinstance(value, Mapping):
            raise ConfigError(
                f"{path}:{_line(lines, here)}: {_dotted(here)}: adds to a mapping, and both must be one"
            )
        result[name] = _extended(before, value, lines, path, here)
    return result


def _base(name: str, path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """Return the content of the file that another one extends, over what that extends; it is right in itself.

    Raises:
        ConfigError: if it isn't, or extends a file that extends it.
    """
    beside = path.parent / f"{name}.yaml"
    base = _load(find(beside if beside.is_file() else name), above)
    content = dict(yaml.safe_load(base.path.read_text(encoding="utf-8")))
    below = content.pop("extends", None)
    return (
        content if below is None else _extended(_base(str(below), base.path, above), content, {}, base.path)
    )


def find(name_or_path: str | Path | None = None) -> Path:
    """Return the path of a platform file.

    Args:
        name_or_path: as in `load`.

    Raises:
        ConfigError: if there is no such file; the message says where it was looked for.
    """
    wanted = str(name_or_path or os.environ.get(PLATFORM_ENV) or "embedded")
    if Path(wanted).suffix in {".yaml", ".yml"} or os.sep in wanted:
        candidates = [started_in() / wanted]
    else:
        shipped = Path(str(resources.files("chaosp7"))) / "platforms"
        in_repository = Path(str(resources.files("chaosp7"))).parent / "platforms"
        folders = [started_in() / "platforms", shipped, in_repository]
        candidates = [folder / f"{wanted}.yaml" for folder in folders]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    looked = ", ".join(str(candidate) for candidate in candidates)
    raise ConfigError(f"no platform file {wanted!r}: looked for {looked}")


def _plain(node: yaml.Node, where: Where, lines: dict[Where, int], path: Path) -> Any:
    """Turn a node into plain values and note the line of each key and item."""
    lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in result:
                raise ConfigError(f"{path}:{line}: {_dotted((*where, key))}: this key stands here twice")
            lines[(*where, key)] = line
            result[key] = _plain(value_node, (*where, key), lines, path)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*where, i), lines, path) for i, item in enumerate(node.value)]
    return yaml.SafeLoader("").construct_object(node)


def _located(
    error: msgspec.ValidationError, content: Mapping[str, Any], lines: dict[Where, int], path: Path
) -> ConfigError:
    """Give a conversion error the line of its key.

    msgspec writes ``[...]`` for "some key of this mapping": the culprit is found by converting
    the entries one at a time.
    """
    text = str(error)
    match = _MSGSPEC_PATH.search(text)
    message = _MSGSPEC_PATH.sub("", text)
    where: Where = ()
    value: Any = content
    for key, index in _STEP.findall(match.group(1)) if match else []:
        if index and index != "...":
            where, value = (*where, int(index)), value[int(index)]
        else:
            name = key or _culprit(where, value)
            where, value = (*where, name), value.get(name)
    unknown = re.search(r"unknown field `([^`]+)`", message)
    if unknown:
        where = (*where, unknown.group(1))
    return ConfigError(f"{path}:{_line(lines, where)}: {_dotted(where)}: {message}")


def _culprit(where: Where, entries: Mapping[str, Any]) -> str:
    """Return the first key of a mapping whose value doesn't convert."""
    field = next(f for f in msgspec.structs.fields(Platform) if f.encode_name == where[0])
    for key, value in entries.items():
        try:
            msgspec.convert({key: value}, field.type)
        except msgspec.ValidationError:
            return key
    return next(iter(entries))


def _plain_name(step: str | int) -> str | int:
    return step.removesuffix("+") if isinstance(step, str) else step


def _line(lines: Mapping[Where, int], where: Where) -> int:
    while where and where not in lines:
        where = where[:-1]
    return lines.get(where, 1)


def _dotted(where: Where) -> str:
    return ".".join(str(step) for step in where) or "platform"
