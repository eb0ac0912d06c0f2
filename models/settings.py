"""Settings, each declared once: options, environment variables, cards, history and reports are derived from them.

A setting is a field of a frozen dataclass; its metadata holds its label, help and range. Imports no TensorFlow: the
command line uses it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType, NoneType
from typing import Any, get_args, get_type_hints


class SettingError(ValueError):
    """A setting is unknown or its value is out of range; the message is a sentence."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A declared setting."""

    name: str  # the field's, also in `--set` and in the card
    kind: type  # int, float or bool
    default: Any  # its value unless one is chosen; with None the Trainer decides
    label: str  # its name in history and reports
    help: str  # what it does, a sentence for `--help`
    # networks (names in models/registry.py) with another default
    by_model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    minimum: float | None = None  # inclusive
    maximum: float | None = None  # inclusive
    option: str  # name of the option, without leading dashes
    decided: str | None = None  # what `--help` shows as the default if it depends on device or network

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"DIGITS_{self.option.replace('-', '_').upper()}"

    def default_for(self, model: str) -> Any:
        """The default for a network."""
        return self.by_model.get(model, self.default)

    def parse(self, text: str) -> Any:
        """Parses a value: a number in range, or true or false.

        Raises:
            SettingError: the text is not such a value.
        """
        if self.kind is bool:
            if text not in ("true", "false"):
                raise SettingError(f"{self.name} must be true or false, not {text}.")
            return text == "true"
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        least = -math.inf if self.minimum is None else self.minimum
        most = math.inf if self.maximum is None else self.maximum
        if not least <= number <= most or math.isinf(number):
            bounds = f"{self.minimum} or more" if self.maximum is None else f"from {self.minimum} to {self.maximum}"
            raise SettingError(f"{self.name} must be a number, {bounds}, not {text}.")
        if self.kind is int and number != int(number):
            raise SettingError(f"{self.name} must be a whole number, not {text}.")
        return self.kind(number)


def setting(default: Any, **declared: Any) -> Any:
    """Declares a field of a dataclass as a setting, with fields of Setting: `label`, `help` and others."""
    return dataclasses.field(default=default, metadata={"setting": declared})


@cache
def settings_of(declaring: type) -> Mapping[str, Setting]:
    """The settings that a dataclass declares, by name and in order."""
    types = get_type_hints(declaring)
    found = {}
    for field in dataclasses.fields(declaring):
        if "setting" in field.metadata:
            (kind,) = (kind for kind in get_args(types[field.name]) or (types[field.name],) if kind is not NoneType)
            declared = {"option": field.name.replace("_", "-"), **field.metadata["setting"]}
            if "by_model" in declared:
                declared["decided"] = "the network's"
            found[field.name] = Setting(name=field.name, kind=kind, default=field.default, **declared)
    return MappingProxyType(found)
