"""Bad files of lines and bad policies by name: JSONL, CSV, TOML, JSON. Small and readable, generated where large."""

from __future__ import annotations

from collections.abc import Iterator

from journeys.streams.rule.policy import DEFAULT_POLICY, policy_from_toml

_GOOD = b'{"journey_id":"j","touchpoint_id":"t","occurred_at":1760000000000,"cost":1}'
_HEAD = b"journey_id,touchpoint_id,occurred_at,cost\n"
_ROW = b"j,t,1760000000000,1\n"
_DEEP = 100_000
_DIGITS = b"9" * 5_000
# Values that may stand where the format wants text, an instant, dollars or a number from 0 to 1.
_STRANGE = {
    "null": b"null",
    "true": b"true",
    "a list": b"[1]",
    "an object": b'{"a":1}',
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
    "NaN as text": b'"NaN"',
    "a signalling NaN as text": b'"sNaN"',
    "Infinity as text": b'"Infinity"',
    "5,000 digits": _DIGITS,
    "5,000 digits as text": b'"' + _DIGITS + b'"',
    "5,000 decimals": b"0." + _DIGITS,
    "1e400": b"1e400",
    "1e999999999": b"1e999999999",
    "1e-999999999": b"1e-999999999",
    "1e9999999999999999999": b"1e9999999999999999999",
    "minus zero": b"-0.0",
    "a lone surrogate": b'"\\ud800"',
    "NUL": b'"\\u0000"',
    "a byte order mark": b'"\\ufeff1"',
    "Arabic digits": '"١٧٦"'.encode(),
    "superscript digits": '"²"'.encode(),
    "an underscore": b'"1_0"',
    "a thousand and one characters": b'"' + b"x" * 1001 + b'"',
}
_FIELDS = (
    *("kind", "journey_id", "user_id", "touchpoint_id", "occurred_at", "cost", "cost_micros", "state"),
    *("conversion_probability", "conversion_value", "propensity"),
)


def good_jsonl() -> list[bytes]:
    """Valid files to begin with."""
    return [
        _GOOD,
        b'{"kind":"registration","journey_id":"j","occurred_at":"2026-01-31T12:00:00Z","timeout_days":2,"budget":"5"}',
        b'{"kind":"signal","journey_id":"j","occurred_at":1760000000000,"signal":"fatigue","note":"n"}',
        b'{"kind":"command","journey_id":"j","occurred_at":1760000000000,"command":"extend","days":1.5}',
        b'{"kind":"punctuation","at":"2026-01-31T12:00:00.123456+01:00"}\n' + _GOOD,
    ]


def bad_jsonl() -> dict[str, bytes]:
    """Every file by its name."""
    return dict([*_json_files(), *_json_values()])


def _json_files() -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "blank lines", b"\n\r\n \t\n"
    yield "no newline at the end", _GOOD + b"\n" + _GOOD
    yield "carriage returns alone", _GOOD + b"\r" + _GOOD
    yield "a byte order mark", b"\xef\xbb\xbf" + _GOOD
    yield "a byte order mark on every line", (b"\xef\xbb\xbf" + _GOOD + b"\n") * 2
    yield "UTF-16", _GOOD.decode().encode("utf-16")
    yield "UTF-16 without a mark", _GOOD.decode().encode("utf-16-le")
    yield "UTF-32", _GOOD.decode().encode("utf-32")
    yield "NUL", b"\x00"
    yield "NULs", b"\x00" * 100
    yield "a NUL inside", _GOOD[:20] + b"\x00" + _GOOD[20:]
    yield "cut off", _GOOD[:-10]
    yield "two on a line", _GOOD + _GOOD
    yield "bytes that are no UTF-8", _GOOD[:17] + b"\xff\xfe" + _GOOD[17:]
    yield "a surrogate in UTF-8", _GOOD[:17] + b"\xed\xa0\x80" + _GOOD[17:]
    yield "no object", b'1\n"a"\nnull\n[]\ntrue\n'
    yield "no fields", b"{}"
    yield "twice the same field", b'{"journey_id":"a","journey_id":2' + _GOOD[17:]
    yield "lists nested deep", b"[" * _DEEP
    yield "objects nested deep", b'{"a":' * _DEEP
    yield "a field nested deep", b'{"x":' + b"[" * 900 + b"]" * 900 + b"," + _GOOD[1:]
    yield "a long line", b'{"x":"' + b"y" * 2_000_000 + b'",' + _GOOD[1:]
    yield "an unknown kind", b'{"kind":"poem"}'
    yield (
        "an extension without days",
        b'{"kind":"command","journey_id":"j","occurred_at":1760000000000,"command":"extend"}',
    )


def _json_values() -> Iterator[tuple[str, bytes]]:
    for field in _FIELDS:
        for name, value in _STRANGE.items():
            # The later of two fields of one name is what JSON gives.
            yield f"{field}: {name}", _GOOD[:-1] + b',"' + field.encode() + b'":' + value + b"}"
    for name, value in _STRANGE.items():
        yield (
            f"days: {name}",
            b'{"kind":"command","command":"extend","journey_id":"j","occurred_at":1760000000000,"days":' + value + b"}",
        )
        yield (
            f"budget: {name}",
            b'{"kind":"registration","journey_id":"j","occurred_at":1760000000000,"budget":' + value + b"}",
        )


def good_csv() -> list[bytes]:
    """Valid files to begin with."""
    return [_HEAD + _ROW, b"kind,journey_id,occurred_at,signal\nsignal,j,2026-01-31T12:00:00Z,fatigue\n"]


def bad_csv() -> dict[str, bytes]:
    """Every file by its name."""
    return {
        "empty": b"",
        "a head alone": _HEAD,
        "no head": _ROW,
        "a byte order mark": b"\xef\xbb\xbf" + _HEAD + _ROW,
        "a byte order mark inside": _HEAD + b"\xef\xbb\xbf" + _ROW,
        "UTF-16": (_HEAD + _ROW).decode().encode("utf-16"),
        "bytes that are no UTF-8": _HEAD + b"caf\xe9,t,1760000000000,1\n",
        "a surrogate in UTF-8": _HEAD + b"\xed\xa0\x80,t,1760000000000,1\n",
        "NUL": _HEAD + b"j\x00,t,1760000000000,1\n",
        "NUL in the head": b"\x00" + _HEAD + _ROW,
        "missing columns": _HEAD + b"j,t\n" + _ROW,
        "too many columns": _HEAD + b"j,t,1760000000000,1,2,3\n" + _ROW,
        "a column without a name": b",touchpoint_id\nj,t\n",
        "a column twice": b"journey_id,journey_id,touchpoint_id,occurred_at,cost\na,j,t,1760000000000,1\n",
        "a quote that does not end": _HEAD + b'"j,t,1760000000000,1\n' + _ROW * 3,
        "a quote inside": _HEAD + b'j"k,t,1760000000000,1\n',
        "a quoted newline": _HEAD + b'"j\nk",t,1760000000000,1\n' + _ROW,
        "text behind a quote": _HEAD + b'"j"k,t,1760000000000,1\n',
        "quotes of quotes": _HEAD + b'"""j""",t,1760000000000,1\n',
        "a long cell": _HEAD + b"j" * 200_000 + b",t,1760000000000,1\n" + _ROW,
        "a cell of two mebibytes": _HEAD + b"j" * 2_100_000 + b",t,1760000000000,1\n" + _ROW,
        "semicolons": _HEAD.replace(b",", b";") + _ROW.replace(b",", b";"),
        "carriage returns alone": (_HEAD + _ROW).replace(b"\n", b"\r"),
        "costs that are none": _HEAD
        + b"".join(
            b"j,t,1760000000000," + cost + b"\n"
            for cost in (b"NaN", b"sNaN", b"inf", b"-1", b"1e400", b"1e999999999", b"0.0000001", b"$1", b"1,5", _DIGITS)
        ),
        "times that are none": _HEAD
        + b"".join(
            b"j,t," + at + b",1\n"
            for at in (b"0", b"-1", b"NaN", b"2026-01-31", b"2026-13-45T99:99:99Z", b"yesterday", _DIGITS, "²".encode())
        ),
    }


def good_policies_toml() -> list[bytes]:
    """Valid policies to begin with."""
    return [
        b"",
        b'version = "a"\n[deadlines]\ntimeout_days = 7\ninactivity_hours = 1.5\n',
        b'version = "b"\nfatigue = { touchpoints = 5, window_hours = 24 }\nlimits.budget = 0.000001\n',
        b'version = "c"\nextension = { touchpoints = 2, extend_by_days = 7 }\n',
        b'version = "d"\n[penalty]\ndecay = 1\nbase_rate = 1000000\nreason_multiplier.TIMEOUT = 1000000\n',
    ]


def bad_policies_toml() -> dict[str, bytes]:
    """Every policy by its name."""
    strange = {
        **{name: value for name, value in _STRANGE.items() if name not in ("null", "NaN", "Infinity", "an object")},
        "nan": b"nan",
        "inf": b"-inf",
        "a date": b"2026-01-31",
        "a time": b"12:00:00",
        "a table": b"{ a = 1 }",
        "hexadecimal": b"0xffffffffffffffffffff",
    }
    keys = (
        *("timeout_days", "cleanup.batch_size", "limits.budget", "fatigue.touchpoints", "penalty.formula_version"),
        *("penalty.decay", "penalty.state_weight.AWARE", "penalty.default_conversion_value"),
    )
    values = {
        f"{key}: {name}": b'version = "a"\n' + key.encode() + b" = " + value + b"\n"
        for key in keys
        for name, value in strange.items()
    }
    return values | {
        "no version": b"[deadlines]\ntimeout_days = 7\n",
        "the default's version": b'version = "default-1"\n[deadlines]\ntimeout_days = 7\n',
        "an unknown key": b'version = "a"\ncolour = "blue"\n',
        "an unknown key of a part that is absent": b'version = "a"\n[fatigue]\ncolour = "blue"\n',
        "a part that is a number": b'version = "a"\ndeadlines = 7\n',
        "a part that is a list": b'version = "a"\n[[deadlines]]\ntimeout_days = 7\n',
        "a key twice": b'version = "a"\nversion = "b"\n',
        "a byte order mark": b'\xef\xbb\xbfversion = "a"\n',
        "NUL": b'version = "\x00"\n',
        "no UTF-8": b'version = "\xff"\n',
        "lists nested deep": b"version = " + b"[" * _DEEP,
        "tables nested deep": b"[" + b"a." * 5_000 + b"a]\n",
        "twenty thousand keys": b'version = "a"\n' + b"".join(b"key%d = 1\n" % number for number in range(20_000)),
        "a version of 201 characters": b'version = "' + b"v" * 201 + b'"\n',
    }


def good_policies_json() -> list[bytes]:
    """Valid policies to begin with."""
    return [
        DEFAULT_POLICY.to_json().encode(),
        *(policy_from_toml(text.decode()).to_json().encode() for text in good_policies_toml()),
    ]


def bad_policies_json() -> dict[str, bytes]:
    """Every policy by its name."""
    keys = ("timeout_days", "deadlines", "version")
    values = {
        f"{key}: {name}": b'{"version":"a","' + key.encode() + b'":' + value + b"}"
        for key in keys
        for name, value in _STRANGE.items()
    }
    inside = {
        f"deadlines.timeout_days: {name}": b'{"version":"a","deadlines":{"timeout_days":' + value + b"}}"
        for name, value in _STRANGE.items()
    }
    return (
        values
        | inside
        | {
            "no object": b"[]",
            "half an object": b"{",
            "lists nested deep": b"[" * _DEEP,
            "objects nested deep": b'{"deadlines":' * _DEEP,
            "a version nested deep": b'{"version":' + b"[" * 500 + b"]" * 500 + b"}",
            "UTF-16": '{"version":"a"}'.encode("utf-16"),
            "no UTF-8": b'{"version":"\xff"}',
            "an unknown key that is a lone surrogate": b'{"version":"a","\\ud800":1}',
            "twenty thousand keys": b'{"version":"a"'
            + b"".join(b',"key%d":1' % number for number in range(20_000))
            + b"}",
        }
    )
