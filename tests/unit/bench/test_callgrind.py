"""Reading callgrind's profiles, and the tables made of them."""

from bench.instructions.callgrind import Profile, parse
from bench.instructions.report import by_function, by_object

PROFILE = """\
# callgrind format
version: 1
pid: 7
events: Ir
summary: 1166

fl=(9) before/any/object.c
fn=(9) first
3 10

ob=(2) /usr/lib/libone.so
fl=(1) one.rs
fn=(1) <impl one::Two<'a>>::outer
12 100
+3 5
cob=(3) /lib/libother.so
cfi=(2) other.c
cfn=(2) inner
calls=4 -7
* 1000
-1 2
4

fn=(3) inner'2
0 7
fi=(2)
+1 1
fe=(1)

ob=(3)
fl=(2)
fn=(2)
1 1000
fn=(4) 0x0000000004936778
0 40
fn=(5) 0x0000000004936780
0 1

totals: 1166
"""


def test_a_function_is_counted_without_what_it_calls() -> None:
    """Costs of calls count where the callee is, names are known by their numbers, omitted costs are 0."""
    profile = parse(PROFILE.splitlines(keepends=True))
    assert profile.costs == {
        ("?", "first"): 10,
        ("libone.so", "<impl one::Two<'a>>::outer"): 107,
        ("libone.so", "inner"): 8,
        ("libother.so", "inner"): 1000,
        ("libother.so", "(unnamed)"): 41,
    }
    assert profile.total == 1166


def test_a_request_is_its_share_of_all() -> None:
    """A profile of N requests tells what one takes, by object file and by function."""
    request = parse(PROFILE.splitlines()).per(10)
    assert request.by_object() == {"libother.so": 104.1, "libone.so": 11.5, "?": 1.0}
    assert request.functions(1) == [("libother.so", "inner", 100.0)]


def test_tables_name_what_is_worth_a_column() -> None:
    """The dearest first; what is next to nothing in every case is in the sum alone."""
    profiles = {
        "small": Profile({("a", "f"): 1_000, ("b", "g"): 3_000}),
        "large": Profile({("a", "f"): 9_000, ("c", "h"): 2}),
    }
    assert by_object(profiles).splitlines() == [
        "| instructions per request | all | a | b |",
        "| --- | ---: | ---: | ---: |",
        "| small | 4,000 | 1,000 | 3,000 |",
        "| large | 9,002 | 9,000 | 0 |",
    ]
    assert by_function(profiles["small"], 1).splitlines()[-1] == "| g | b | 3,000 | 75.0% |"
