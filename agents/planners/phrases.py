"""REQUEST → PROPOSAL: the few phrases the rules planner understands, and nothing more. Pure text in, data out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Direction = Literal[-1, 1]
"""Down or up."""


@dataclass(frozen=True)
class Named:
    """How somebody named a node pool: its own name, and words that narrow it down (project, cluster, …)."""

    name: str
    places: tuple[str, ...]


IT = Named("it", ())
"""A pool that only the earlier turns of the conversation can tell."""


@dataclass(frozen=True)
class Scale:
    """Bring a pool to `count` nodes per zone; `change` is set instead for "up by" and "down by"."""

    pool: Named
    count: int | None
    change: int | None
    per_zone: bool
    direction: Literal[-1, 0, 1] = 0
    """Beside `count`: the way it was said to lead, 1 up, -1 down, 0 not said."""


@dataclass(frozen=True)
class Bounds:
    """Set an autoscaler's bounds, per zone."""

    pool: Named
    low: int
    high: int


@dataclass(frozen=True)
class Size:
    """Tell how big a pool is."""

    pool: Named


@dataclass(frozen=True)
class Plain:
    """A phrase without a pool: list what there is, or help."""

    wish: Literal["help", "list"]


Phrase = Scale | Bounds | Size | Plain

_PRONOUNS = frozenset({"it", "that", "this", "same"})
_AND = re.compile(r"(?:(?:and|then|now|ok|okay),? ){1,3}")
_NAME = r"[a-z0-9][a-z0-9/_-]{0,120}"
_THE = r"(?:the )?"
_POOL = rf"{_THE}(?P<name>{_NAME})(?: node ?pool| pool)?"
_IN = rf"(?: (?:in|on|of) {_THE}(?P<place>{_NAME}(?:(?: in| on| of|,) {_THE}{_NAME}){{0,3}}))?"
_UNIT = r"(?: (?:nodes?|machines?|instances?))?(?P<per_zone> (?:per|in each|in every|a) zone)?"
_DO = r"(?:please )?(?:can you |could you )?(?P<verb>scale|resize|set|grow|shrink|bring|change)"
_EARLY, _LATE = r"(?: (?P<early>up|down))?", r"(?: (?P<late>up|down))?"
_COUNT = r"(?P<count>[0-9]{1,9})"

_SCALE_TO = re.compile(rf"{_DO}{_EARLY} {_POOL}{_IN}{_LATE} to {_COUNT}{_UNIT}")
_SCALE_TO_THEN_PLACE = re.compile(rf"{_DO}{_EARLY} {_POOL}{_LATE} to {_COUNT}{_UNIT}{_IN}")
_SCALE_BY = re.compile(rf"{_DO}{_EARLY} {_POOL}{_IN}{_LATE} by {_COUNT}{_UNIT}")
_MAKE_IT = re.compile(
    rf"(?:please )?make {_THE}(?P<name>it|that|this)(?: node ?pool| pool| one)?{_EARLY}{_LATE}(?: to)? {_COUNT}{_UNIT}"
    r"(?P<verb>)(?P<place>)"
)
_ONLY_SIZE = re.compile(rf"(?:please )?(?:to )?{_COUNT}{_UNIT}(?: please)?")
_ONLY_PATH = re.compile(rf"{_THE}(?P<name>{_NAME}/{_NAME})(?: node ?pool| pool)?(?P<place>)")
_ONLY_PLACE = re.compile(
    rf"(?:{_THE}(?:one|pool) )?(?:in|on|of) {_THE}(?P<place>{_NAME}(?:(?: in| on| of|,) {_THE}{_NAME}){{0,3}})"
)
_BOUNDS = re.compile(
    rf"{_DO} (?:the )?autoscaling (?:bounds )?(?:of|for|on) {_POOL}{_IN} "
    r"(?:to|between) (?:min(?:imum)? )?(?P<low>[0-9]{1,9})(?: ?- ?| to | and |,? max(?:imum)? )(?P<high>[0-9]{1,9})"
    r"(?: nodes?)?(?: per zone)?"
)
_SIZE = re.compile(
    rf"(?:how (?:big|large) is|how many nodes (?:does|has|are in|run in)|what is the size of|show(?: me)?) "
    rf"{_POOL}{_IN}(?: have)?"
)
_LIST = re.compile(
    r"(?:list|show(?: me)?|which|what)(?: (?:the|all|are the))* (?:node ?)?pools(?: are there)?"
)
_DIRECTIONS: Mapping[str | None, Direction] = {"up": 1, "grow": 1, "down": -1, "shrink": -1}
_HELP = re.compile(r"help(?: me)?|what can (?:you|i) (?:do|ask)")


def parse(text: str) -> Phrase | None:
    """Return what a chat text asks for, or None when it is not one of the phrases."""
    plain = _plain(text)
    if opening := _AND.match(plain):
        plain = plain[opening.end() :]
    if _HELP.fullmatch(plain):
        return Plain("help")
    if _LIST.fullmatch(plain):
        return Plain("list")
    if found := _BOUNDS.fullmatch(plain):
        return Bounds(_named(found), int(found["low"]), int(found["high"]))
    if (
        found := _SCALE_TO.fullmatch(plain)
        or _SCALE_TO_THEN_PLACE.fullmatch(plain)
        or _MAKE_IT.fullmatch(plain)
    ):
        return _absolute(found)
    if found := _SCALE_BY.fullmatch(plain):
        return _relative(found)
    if found := _SIZE.fullmatch(plain):
        return Size(_named(found))
    return None


def parse_size(text: str) -> Scale | None:
    """Return the size that a text consists of, as in `to 4 per zone`: an answer to "to which size?"."""
    found = _ONLY_SIZE.fullmatch(_plain(text))
    return Scale(IT, int(found["count"]), None, bool(found["per_zone"])) if found else None


def parse_choice(text: str, name: str) -> Named | None:
    """Return the pool that a text consists of, as in `the one in sandbox`: an answer to "which one?" about `name`."""
    plain = _plain(text)
    if found := _ONLY_PATH.fullmatch(plain):
        return _named(found)
    if found := _ONLY_PLACE.fullmatch(plain):
        return Named(name, _places(found["place"]))
    return None


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(" .!?")


def _absolute(found: re.Match[str]) -> Phrase | None:
    directions = _directions(found)
    if len(directions) > 1:
        return None
    direction: Literal[-1, 0, 1] = directions.pop() if directions else 0
    return Scale(_named(found), int(found["count"]), None, bool(found["per_zone"]), direction)


def _relative(found: re.Match[str]) -> Phrase | None:
    directions = _directions(found)
    if len(directions) != 1:
        return None
    change = directions.pop() * int(found["count"])
    return Scale(_named(found), None, change, bool(found["per_zone"]))


def _directions(found: re.Match[str]) -> set[Direction]:
    """Return every way that the words lead: two of them contradict each other."""
    words = (found["verb"], found["early"], found["late"])
    return {_DIRECTIONS[word] for word in words if word in _DIRECTIONS}


def _named(found: re.Match[str]) -> Named:
    *path, name = found["name"].split("/")
    named = Named(name=name, places=tuple(part for part in (*path, *_places(found["place"])) if part))
    return IT if named.name in _PRONOUNS and not named.places else named


def _places(place: str | None) -> tuple[str, ...]:
    return tuple(re.split(r"(?: in | on | of |, ?)(?:the )?|/", place or ""))
