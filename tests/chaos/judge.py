# SPDX-License-Identifier: MIT
"""Decides whether what a client saw was right or at least honest, and whether there was a reason for it. Pure, but for
the report that it writes into."""

import collections
import json
import re
import time
from dataclasses import dataclass

# How an error in each API's shape shows what it is about. Anthropic's shape has no codes, only types. That a worker was
# lost is an error in the middle of a stream only: before its first byte a request goes to another worker.
ANTHROPIC = {
    (502, "api_error"): {"backend_error"},
    (503, "api_error"): {"requeue_exhausted"},
    (503, "overloaded_error"): {"shutting_down"},
    (504, "timeout_error"): {"queue_timeout", "request_timeout"},
    (404, "not_found_error"): {"model_not_found"},
    ("event", "api_error"): {"backend_error", "worker_lost"},
    ("event", "timeout_error"): {"request_timeout"},
}
STATUS = {"backend_error": 502, "worker_lost": "event", "requeue_exhausted": 503, "shutting_down": 503,
          "queue_timeout": 504, "request_timeout": 504, "model_not_found": 404}

# What the missing end of a body without events may stand for.
CUT_CODES = {"backend_error", "worker_lost", "request_timeout", "lost"}

# Which disturbance is reason enough for which error to a request whose backend would have answered. A worker that was
# asked to end is none: it loses nothing.
REASONS = {
    "backend": {"backend_error", "queue_timeout"},
    "worker": {"worker_lost", "requeue_exhausted", "queue_timeout"},
    "relay": {"shutting_down", "worker_lost", "model_not_found", "queue_timeout", "lost"},
}
PLANNED = {"break": "backend_error", "reset": "backend_error", "silent": "backend_error", "hang": "request_timeout"}

# So long after a disturbance a worker may still have to find its backend's models again.
SETTLE_S = 3

# A request is lost with its worker so often, and then given up.
REQUEUES = 3

OPENAI_EVENT = re.compile(rb"data: (\{\"error\":\{.*\}\})\n\n\Z")
ANTHROPIC_EVENT = re.compile(rb"event: error\ndata: (\{\"type\":\"error\",.*\})\n\n\Z")


@dataclass
class Disturbance:
    """Something that was done to one part, and could be felt from @began to @ended (None: still)."""

    kind: str  # "backend", "worker", "relay"; "drain": a worker was asked to end
    what: str
    began: float
    ended: float | None = None

    def overlaps(self, began, ended):
        return self.began <= ended and (self.ended is None or self.ended >= began)


class Report:
    """Counts, disturbances and violations of one run."""

    def __init__(self, log):
        self.log = log
        self.began = time.monotonic()
        self.counts = collections.Counter()
        self.violations = []
        self.disturbances = []
        self.served = set()  # models of which the present relay knows that they exist

    def note(self, text):
        print(f"{time.monotonic() - self.began:8.3f} {text}", file=self.log, flush=True)

    def violation(self, number, expected, came):
        text = f"request {number}: expected: {expected}; came: {came}" if number is not None else f"{expected}: {came}"
        self.note("VIOLATION " + text)
        self.violations.append(text)

    def disturb(self, kind, what):
        disturbance = Disturbance(kind, what, time.monotonic())
        self.disturbances.append(disturbance)
        self.counts[f"disturbance: {what}"] += 1
        if kind == "relay":
            self.served.clear()
        self.note(f"disturbance: {what}")
        return disturbance

    def reasons(self, model, began, ended):
        """Error codes that what happened meanwhile is reason enough for."""
        met = [item for item in self.disturbances if item.overlaps(began, ended)]
        codes = set().union(*(REASONS.get(item.kind, set()) for item in met))
        if model not in self.served and any(item.overlaps(began - SETTLE_S, ended) for item in self.disturbances):
            codes.add("model_not_found")
        if sum(item.kind == "worker" for item in met) <= REQUEUES:
            codes.discard("requeue_exhausted")
        return codes


@dataclass
class Counts:
    """Requests that came to their end, as clients saw them and as the relay's metrics say."""

    seen: dict  # verdict -> number
    told: dict  # outcome, "received", "refused" -> number

    @classmethod
    def now(cls, report, stage):
        metrics = stage.get_metrics()
        told = collections.Counter()
        for name, value in metrics.items():
            if match := re.match(r'modelrelay_requests_total\{.*outcome="(\w+)"\}', name):
                told[match[1]] += value
        for name in "received", "refused":
            told[name] = metrics[f"modelrelay_requests_{name}_total"]
        seen = collections.Counter()
        for name, value in report.counts.items():
            if name.startswith("outcome: "):
                verdict = name.removeprefix("outcome: ")
                kind = "right" if verdict.startswith("right") else "left" if verdict.startswith("cancelled") else "error"
                seen[kind] += value
        return cls(seen, told)

    def check_since(self, before, report):
        """A client that left may have been too early for the relay, or too late: that much is open."""
        seen = {kind: self.seen[kind] - before.seen[kind] for kind in ("right", "left", "error")}
        told = {name: self.told[name] - before.told[name] for name in self.told}
        report.note(f"counts: clients saw {seen}, the relay tells {told}")
        ended = told.get("completed", 0) + told.get("failed", 0) + told.get("cancelled", 0) + told["refused"]
        good = (told["received"] == ended and
                seen["right"] <= told.get("completed", 0) <= seen["right"] + seen["left"] and
                seen["error"] <= told.get("failed", 0) + told["refused"] <= seen["error"] + seen["left"] and
                told.get("cancelled", 0) <= seen["left"])
        if not good:
            report.violation(None, "the metrics agree with what clients saw", f"{told} and {seen}")


def error_codes(plan, value, status):
    """The codes that an error in the API's shape may stand for; None if it has not that shape."""
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return None
    if plan.api == "anthropic":
        if value.get("type") != "error" or not isinstance(value.get("request_id"), str):
            return None
        return ANTHROPIC.get((status, error.get("type")))
    if set(error) != {"message", "type", "param", "code"}:
        return None
    known = STATUS.get(error["code"])
    return {error["code"]} if known is not None and status in (known, "event") else None


def parse(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def describe(outcome):
    body = bytes(outcome.body)
    shown = body if len(body) <= 600 else body[:200] + b" ... " + body[-400:]
    return (f"{outcome.how} after {outcome.ended - outcome.began:.3f} s, status {outcome.status}, {len(body)} bytes, "
            f"{outcome.detail} headers {outcome.headers} body {shown!r}")


class Judge:
    """Looks at one outcome at a time."""

    def __init__(self, report):
        self.report = report

    def judge(self, plan, outcome):
        verdict = {"complete": self.judge_complete, "cut": self.judge_cut, "lost": self.judge_lost,
                   "left": self.judge_left, "hang": self.judge_hang}[outcome.how](plan, outcome)
        self.report.counts["requests"] += 1
        self.report.counts[f"outcome: {verdict}"] += 1
        self.report.note(f"request {plan.number} {plan.api} {plan.model} stream={plan.stream} {plan.act} "
                         f"leave={plan.leave} id={outcome.headers.get('x-request-id')}: {outcome.how} {outcome.status} "
                         f"-> {verdict} in {outcome.ended - outcome.began:.3f} s")

    def violation(self, plan, expected, outcome):
        self.report.violation(plan.number, f"{expected} ({plan.act}, status {plan.status}, {len(plan.answer)} bytes)",
                              describe(outcome))
        return "VIOLATION"

    def reason(self, plan, outcome, codes):
        """What an error of one of these @codes is due to; empty if nothing is reason enough."""
        if PLANNED.get(plan.act) in codes:
            return " as planned"
        if codes & self.report.reasons(plan.model, outcome.began, outcome.ended):
            return " through a disturbance"
        return ""

    def judge_complete(self, plan, outcome):
        if plan.answers and outcome.status == plan.status and outcome.body == plan.answer:
            return self.judge_right(plan, outcome)
        value = parse(outcome.body)
        codes = error_codes(plan, value, outcome.status) if outcome.status >= 400 else None
        if codes is None:
            return self.violation(plan, "the right answer or an honest error", outcome)
        reason = self.reason(plan, outcome, codes)
        if not reason:
            return self.violation(plan, f"no error, for nothing happened that is reason for {codes}", outcome)
        if outcome.headers.get("x-content-type-options") != "nosniff":
            return self.violation(plan, "an error of the relay's own is nosniff", outcome)
        return f"error {outcome.status}" + reason

    def judge_right(self, plan, outcome):
        headers = outcome.headers
        own = f"chaos-{plan.number}" if plan.own_id else headers.get("x-request-id")
        if (headers.get("content-type") != plan.content_type or headers.get("x-number") != str(plan.number) or
                headers.get("x-request-id", "") != own or not headers.get("x-modelrelay-worker", "").startswith("w")):
            return self.violation(plan, "the backend's head, x-request-id and x-modelrelay-worker", outcome)
        self.report.served.add(plan.model)
        return "right answer" if plan.status == 200 else "right answer (an error of the backend's)"

    @staticmethod
    def find_event(plan, outcome):
        """The error event at the end of a stream."""
        return (ANTHROPIC_EVENT if plan.api == "anthropic" else OPENAI_EVENT).search(outcome.body)

    @staticmethod
    def is_beginning(plan, text):
        """The relay ends a half event with an empty line before its own."""
        return plan.answer.startswith(text) or plan.answer.startswith(text.removesuffix(b"\n\n"))

    def judge_cut(self, plan, outcome):
        """A body without its end: what came is the beginning of the answer, then an error event says why. Where there
        are no events, there is nothing but the missing end."""
        event = self.find_event(plan, outcome)
        codes = error_codes(plan, parse(event[1]), "event") if event else {"lost"} if plan.stream else CUT_CODES
        before = bytes(outcome.body[:event.start()] if event else outcome.body)
        if outcome.status != plan.status or codes is None or not self.is_beginning(plan, before):
            return self.violation(plan, "the beginning of the right answer, then an error event", outcome)
        reason = self.reason(plan, outcome, codes)
        if not reason:
            return self.violation(plan, f"no error, for nothing happened that is reason for {codes}", outcome)
        if event is not None:
            return "error event" + reason
        return "body without its end" + reason if not plan.stream else "connection lost with the relay"

    def judge_lost(self, plan, outcome):
        if plan.leave == "upload":
            return "cancelled by the client"
        if "lost" in self.report.reasons(plan.model, outcome.began, outcome.ended):
            return "connection lost with the relay"
        return self.violation(plan, "an answer, for the relay was there all the time", outcome)

    def judge_left(self, plan, outcome):
        """The client's own end. What the backend had said until then came through right nevertheless."""
        if "x-number" in outcome.headers and not plan.answer.startswith(bytes(outcome.body)):
            event = self.find_event(plan, outcome)
            if event is None or not self.is_beginning(plan, bytes(outcome.body[:event.start()])):
                return self.violation(plan, "the beginning of the right answer", outcome)
        return "cancelled by the client"

    def judge_hang(self, plan, outcome):
        return self.violation(plan, "an end within the deadline", outcome)
