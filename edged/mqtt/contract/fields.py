"""What the models of the contract are made of.

The texts under the fields are the descriptions in docs/asyncapi.json: they are for whoever writes
a controller. What a terminal says is open in the document (a consumer ignores what it does not
know) and closed here; what a terminal obeys is closed in both.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from edged.types import Defect, Instruction

ABSENT: Any = None
"""The default of a field that may be left out, and is never null."""


def _open(schema: dict[str, Any]) -> None:
    schema.pop("additionalProperties", None)
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class Obeyed(BaseModel):
    """What a terminal obeys: frozen, exact, nothing unknown."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class Told(Obeyed):
    """What a terminal says: frozen, exact, and open to consumers."""

    model_config = ConfigDict(json_schema_extra=_open)


def codes(*values: str) -> Any:
    """The values that there are today; more may come, so a consumer must bear others."""
    return Field(json_schema_extra={"x-known-values": list(values)})


Version = Literal[1]
Time = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{3})?Z$",
        json_schema_extra={"format": "date-time"},
    ),
]
Clock = Literal["synced", "unsynced"]
Share = Annotated[float, Field(ge=0, le=1)]
Similarity = Annotated[float, Field(ge=-1.001, le=1.001)]
Seconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Seq = Annotated[int, Field(ge=1)]
LogId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
EventId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
EventType = Annotated[str, Field(pattern=r"^[a-z0-9_]+([.][a-z0-9_]+)+$", max_length=64)]
Hash = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
KeyId = Annotated[str, Field(min_length=1, max_length=64)]
Detached = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]{86}$")]
Compact = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}$")]
Pem = Annotated[str, Field(pattern=r"^-----BEGIN PUBLIC KEY-----\n")]
Person = Annotated[str, Field(min_length=1, max_length=64)]
Model = Annotated[str, Field(pattern=r"^[^@#]+@[^@#]+#[0-9a-f]{12}$")]
Asked = Annotated[str, codes(*(one.value for one in Instruction))]
Trouble = Annotated[str, codes(*(one.value for one in Defect))]
