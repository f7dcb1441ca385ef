# SPDX-License-Identifier: MIT
"""What each request is, what its backend does with it, and the one right answer to it: all of that follows from the
seed and the request's number. Nothing here does any I/O."""

import functools
import json
import random
import re
from dataclasses import dataclass

MARK = re.compile(rb"request number (\d+)\.")
WORDS = ("relay", "Straße", "naïve", "日本語", "🙂", "worker", "Ελλάδα", "token", "поток", "\\u0041", "\\\"quoted\\\"")

# What a backend does, and how often. `hold` is asked for by name only: the answer waits until the backend is told.
ACTS = {"normal": 48, "slow": 5, "stall": 5, "fragments": 5, "big": 4, "break": 9, "reset": 6, "silent": 3, "status": 8,
        "hang": 0.5}
GOOD_ACTS = ("normal", "slow", "stall", "fragments", "big", "status", "hold")

# What a client does, and how often.
LEAVES = {None: 80, "before": 6, "after": 6, "upload": 2}

MODELS = {"alpha": 4, "beta": 4, "gamma": 3, "wild-": 3}


@dataclass(frozen=True)
class Plan:
    """One request from both ends."""

    seed: int
    number: int
    api: str  # "openai" or "anthropic"
    model: str
    stream: bool
    act: str
    leave: str | None
    own_id: bool  # the client brings its own x-request-id

    def random(self, purpose):
        """The same numbers each time, for this request and purpose."""
        return random.Random(f"{self.seed}/{self.number}/{purpose}")

    @property
    def path(self):
        return "/v1/messages?beta=true" if self.api == "anthropic" else "/v1/chat/completions"

    @property
    def answers(self):
        """Whether the backend, left alone, gives its whole answer."""
        return self.act in GOOD_ACTS

    @property
    def status(self):
        return self.random("status").choice((400, 429, 500, 503)) if self.act == "status" else 200

    @property
    def content_type(self):
        return "text/event-stream" if self.stream and self.act != "status" else "application/json"

    @property
    def body(self):
        return request_body(self)

    @property
    def answer(self):
        return answer_body(self)


def pick(rng, weights):
    return rng.choices(list(weights), list(weights.values()))[0]


def make_plan(seed, number, acts=None, leaves=None):
    """The plan of one request; @acts and @leaves narrow what may happen."""
    rng = random.Random(f"{seed}/{number}")
    model = pick(rng, MODELS)
    if model == "wild-":
        model += str(rng.randrange(5))
    return Plan(seed, number, rng.choices(("openai", "anthropic"), (3, 1))[0], model, rng.random() < 0.65,
                pick(rng, acts or ACTS), pick(rng, leaves or LEAVES), rng.random() < 0.7)


def make_hold(seed, number, model):
    """A streamed request whose answer waits until the backend is told to go on."""
    return Plan(seed, number, "openai", model, True, "hold", None, True)


def to_json(value):
    return json.dumps(value, ensure_ascii=False)


@functools.lru_cache(maxsize=256)
def request_body(plan):
    rng = plan.random("body")
    padding = "é" * (rng.randrange(100_000, 600_000) if rng.random() < 0.03 else rng.randrange(200))
    prompt = f"This is request number {plan.number}. {padding}"
    members = {"model": plan.model, "stream": plan.stream, "messages": [{"role": "user", "content": prompt}]}
    if rng.random() < 0.5:
        members = dict(reversed(members.items()))
    separators = (", ", ": ") if rng.random() < 0.5 else (",", ":")
    return json.dumps(members, ensure_ascii=rng.random() < 0.5, separators=separators).encode()


def event(plan, value, name):
    head = f"event: {name}\n" if plan.api == "anthropic" else ""
    return f"{head}data: {to_json(value)}\n\n"


def text_event(plan, text):
    if plan.api == "anthropic":
        return event(plan, {"type": "content_block_delta", "delta": {"text": text}}, "content_block_delta")
    return event(plan, {"id": plan.number, "choices": [{"index": 0, "delta": {"content": text}}]}, None)


def stream_body(plan, rng):
    count = rng.randrange(4, 12) if plan.act == "fragments" else rng.randrange(3, 40)
    size = rng.randrange(20_000, 90_000) if plan.act == "big" else rng.randrange(1, 40)
    parts = [text_event(plan, f"{plan.number}.{i} " + rng.choice(WORDS) * (1 + size // 8)) for i in range(count)]
    if plan.api == "anthropic":
        parts.append(event(plan, {"type": "message_stop"}, "message_stop"))
    else:
        usage = {"prompt_tokens": 7, "completion_tokens": count, "total_tokens": 7 + count}
        parts += [event(plan, {"id": plan.number, "choices": [], "usage": usage}, None), "data: [DONE]\n\n"]
    return "".join(parts).encode()


@functools.lru_cache(maxsize=64)
def answer_body(plan):
    """The whole body that a client gets when nothing goes wrong."""
    rng = plan.random("answer")
    if plan.act == "status":
        return to_json({"error": {"message": f"backend says no to {plan.number}", "code": "chaos"}}).encode()
    if plan.stream:
        return stream_body(plan, rng)
    size = rng.randrange(500_000, 3_000_000) if plan.act == "big" else rng.randrange(1, 3000)
    text = f"{plan.number} " + rng.choice(WORDS) * (1 + size // 8)
    return to_json({"id": plan.number, "choices": [{"message": {"content": text}}]}).encode()
