"""What schemathesis has to be told beside the document: which refusals of a valid request are right."""

import re
from copy import deepcopy
from urllib.parse import unquote

import schemathesis

# What a counter, or what was asked before, may refuse: no document can tell beforehand.
OF_STATE = {
    *("REQUEST_ID_REUSED", "ZONE_UNKNOWN", "SETTINGS_CONFLICT", "MONOTONIC", "ABOVE_MAX", "BELOW_MIN"),
    *("VALUE_OUTSIDE_BOUNDS", "CONSTRAINT_VIOLATED", "HISTORY_EXPIRED", "HISTORY_TOO_LARGE"),
    "VERIFY_FAILED",  # Another one runs, of a request before that nobody waits for any more.
}

# What JSON Schema has no words for, and the comments say: the message of each.
IN_WORDS = re.compile(
    r"must be (1|-9223372036854775808) to 9223372036854775807"  # int64 as text: a pattern has its digits, and not its range
    r"|must be (at most [0-9]+|1 to 64) bytes"  # where a character takes several, or a header has two quotes less
    r"|must be a whole number in plain decimal, got -?[0-9]+\.0;"  # which JSON Schema takes for an integer
    r"|must not be (above max|root or anonymous)"
    r"|must be the same in the (path|header)"
    r"|must name (settings|some of )"
    r"|must be one that can be granted|must be PERMISSIONS@"  # a permission among those that are none; a grant
    r"|may name fields of CounterSettings"  # in a text
    r"|must be one of name and prefix"
    r"|must name a setting, or one must be given"
    r"|must be (the|a) next_page_token"
    r"|must be 1 [a-z]+ .*to (366|3650) days|must be whole (milliseconds|seconds|minutes)"  # a duration is a text, too
    r"|must be seconds with an .s."  # of more than google.protobuf.Duration can say
    r"|must be an instant in RFC 3339"  # which are of the years 1 to 9999, and without leap seconds
    r"|must be a time zone that this server knows"
    r"|must be a unit of the calendar|must be given with calendar, and only then"
    r"|is for (every|CALENDAR_UNIT_MONTH|increment and set) only"
    r"|does not go with must_exist|follow_policy goes with"
    r"|must be one, not (name and prefix|prefix and name|every and calendar|calendar and every)|must be of the years 1995 to 9999|must be before end, and not to come|must be known to the server"
    r"|must be true without prefix and labels, and only then|must begin with prefix"
    r"|must be left out: each counter has its own"
    r"|is not a field of ResetRequest"  # PUT without a value resets.
)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Most requests would fail for two different request ids, or for a time zone that is none, and show nothing else."""
    if isinstance(case.body, dict) and case.meta and case.meta.generation.mode.is_positive:
        case.body = mended(case.body)
    fields, headers = {**(case.query or {}), **(case.body if isinstance(case.body, dict) else {})}, case.headers
    if not headers:
        return
    for header, names in {"Idempotency-Key": ["requestId"], "If-Match": ["etag", "settingsEtag"]}.items():
        if any(fields.get(name) is not None for name in names):
            headers.pop(header, None)


def mended(given):
    """The same body, but of what it tells about time only what goes together, in lengths that there are."""
    body = deepcopy(given)  # Cases share theirs.
    for name in ("ifMissing", "settings"):
        if isinstance(body.get(name), dict):
            body[name] = mended(body[name])
    for name in ("takes", "operations"):
        if isinstance(body.get(name), list):
            body[name] = [mended(each) if isinstance(each, dict) else each for each in body[name]]
    window, refill = body.get("window"), body.get("refill")
    if isinstance(window, dict) and window.get("every") is not None:
        window["every"] = f"{1 + len(str(window)) * 37}s"
        for name in ("timeZone", "day"):
            window.pop(name, None)
        if window.get("anchor") is not None:
            window["anchor"] = "2026-03-01T06:00:00+01:00"
    elif isinstance(window, dict) and window.get("calendar") is not None:
        if window["calendar"] == "CALENDAR_UNIT_UNSPECIFIED":
            window["calendar"] = "CALENDAR_UNIT_DAY"
        window["timeZone"] = "Australia/Lord_Howe"
        window.pop("anchor", None)
        if window["calendar"] != "CALENDAR_UNIT_MONTH":
            window.pop("day", None)
    if isinstance(refill, dict) and refill.get("every") is not None:
        refill["every"] = "0.250s"
    if body.get("idleTtl") is not None:
        body["idleTtl"] = f"{1 + len(str(body)) * 11}.5s"
    return body


@schemathesis.check
def valid_requests_are_taken(ctx, response, case):
    """A request as the document has it is done, or refused for a reason that the document cannot know."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 400:
        return
    if case.meta.phase.name.value == "stateful":
        return  # What an answer says is tried as anything, a value as a name too.
    if case.method.upper() not in [method.upper() for method in case.operation.schema[case.operation.path]]:
        return  # A method that is not there, to see it refused.
    if breaks_its_pattern(case):
        return  # A text from an earlier answer, tried as a name.
    error = response.json()["error"]
    reason = error["details"][0]["reason"]
    if reason in OF_STATE or (reason == "INVALID_FIELD" and IN_WORDS.search(error["message"])):
        return
    raise AssertionError(f"a valid request was refused: {error['message']}")


def breaks_its_pattern(case):
    """Whether a parameter in the path is none that the document has: now and then a positive case has one."""
    for parameter in case.operation.definition.raw.get("parameters", []):
        if parameter.get("in") != "path":
            continue
        pattern = parameter["schema"].get("pattern")
        value = (case.path_parameters or {}).get(parameter["name"])
        if pattern and value is not None and not re.search(pattern, unquote(str(value))):
            return True
    return False
