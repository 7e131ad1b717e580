"""The JSON Schema of the configuration file, for completion in editors: ``python -m gateway.config.json_schema``."""

import json
from importlib.resources import files
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python

from gateway.config.schema import Config

FILE = "schema.json"
"""Name of the generated file, beside this module in the package."""
REGENERATE = f"python -m gateway.config.json_schema > gateway/config/{FILE}"
"""The command that writes it, from the root of the source tree."""


class _Generator(GenerateJsonSchema):
    """Writes defaults as a configuration file would."""

    def encode_default(self, dft: Any) -> Any:
        """Durations, sizes and addresses are written as text."""
        if isinstance(dft, bool | int | str | list | tuple | dict | None) or hasattr(dft, "model_dump"):
            return to_jsonable_python(dft)
        return str(dft)


def render() -> str:
    """The schema as the text of its file, always the same for the same model."""
    schema = Config.model_json_schema(schema_generator=_Generator, mode="validation")
    schema = {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "Headgate configuration"}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def shipped() -> str:
    """The schema file of this package."""
    return files("gateway.config").joinpath(FILE).read_text(encoding="utf-8")


if __name__ == "__main__":
    print(render(), end="")  # noqa: T201 - its output is the file
