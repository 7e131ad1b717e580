"""The JSON Schema that the package ships."""

import json

from gateway.config.json_schema import REGENERATE, render, shipped


def test_the_shipped_schema_is_that_of_the_model() -> None:
    """The file in the package says what the model says."""
    assert shipped() == render(), f"the model has changed; run: {REGENERATE}"


def test_every_key_is_described() -> None:
    """An editor can tell what each key means, and no table takes unknown keys."""
    schema = json.loads(render())
    tables = [schema, *schema["$defs"].values()]
    assert len(tables) > 10
    for table in tables:
        assert table["additionalProperties"] is False
        assert table["description"]
        # A key whose meaning is its table's is described there.
        assert all("description" in key or "$ref" in key for key in table["properties"].values())


def test_defaults_are_written_as_in_a_file() -> None:
    """A default can be copied out of the schema into a file."""
    defaults = {
        name: key["default"]
        for table in json.loads(render())["$defs"].values()
        for name, key in table["properties"].items()
        if "default" in key
    }
    assert (defaults["admin"], defaults["drain_timeout"], defaults["head"]) == (
        "127.0.0.1:9901",
        "30s",
        "32KiB",
    )
    assert defaults["workers"] == "auto"
    assert defaults["balance"] == "p2c"


def test_short_forms_are_allowed() -> None:
    """An editor accepts an instance that is only an address, and one limit without a list."""
    schema = json.loads(render())["$defs"]
    instance = schema["Service"]["properties"]["instances"]["items"]["anyOf"]
    assert {"type": "string"} in instance
    limit = json.dumps(schema["Route"]["properties"]["limit"])
    assert '"array"' in limit
    assert '{"$ref": "#/$defs/Limit"}, {' in limit


def test_references_are_allowed_where_text_is_not() -> None:
    """An editor does not mark ``${env:N}`` where a number, a word or a duration stands."""
    schema = json.loads(render())["$defs"]
    reference = {"type": "string", "pattern": r"\$\{"}
    for table, key in (
        ("Gateway", "workers"),
        ("Gateway", "drain_timeout"),
        ("Log", "level"),
        ("Retry", "attempts"),
    ):
        assert reference in schema[table]["properties"][key]["anyOf"]
