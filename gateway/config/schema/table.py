"""What all tables of the file have in common."""

from pydantic import BaseModel, ConfigDict

from gateway.errors import InvalidValueError


class Table(BaseModel):
    """A table of the file: immutable, and every key in it is known."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def one_or_list(value: object) -> object:
    """A list as it is; what stands alone as a list of one."""
    return value if isinstance(value, list) else [value]


def false_or_table(value: object) -> object:
    """``false`` is the word for none, which TOML does not have."""
    if value is False:
        return None
    if not isinstance(value, dict):
        raise InvalidValueError("false or a table")
    return value
