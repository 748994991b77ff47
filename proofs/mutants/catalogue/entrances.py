"""Guard mutants of what comes in: the spelling of audit entries, a model's words, files of configuration."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_CANONICAL = ("tests/contracts/test_canonical.py",)
_FINISH = ("tests/agents/capacity/test_finish.py",)
_CONFIGURATION = ("tests/adapters/test_configuration.py", "tests/contracts/configuration/test_approval.py")

CANONICAL = Group(
    "contracts/canonical.py",
    Promise.AUDIT,
    _CANONICAL,
    {
        "canonical-is-every-spelling": Change(
            "return isinstance(plain, dict) and again == written", "return isinstance(plain, dict)"
        ),
        "canonical-is-what-is-no-object": Change(
            "return isinstance(plain, dict) and again == written", "return again == written"
        ),
        "canonical-is-what-cannot-be-read": Change(
            "    except (ValueError, RecursionError):\n        return False",
            "    except (ValueError, RecursionError):\n        return True",
        ),
        "canonical-small-numbers-have-an-exponent": Change(r"(?!0\.0000)", ""),
        "canonical-numbers-end-in-zeros": Change(r'[0-9]+\.[0-9]*[1-9]")', r'[0-9]+\.[0-9]*")'),
        "canonical-whole-numbers-keep-their-point": Change(
            "        if _WHOLE.search(written):\n            written = _ENCODER.encode(read)\n", ""
        ),
        "canonical-long-integers-are-exact": Change("if len(written) > _SHORT:", "if False:"),
        "canonical-keys-are-sorted-by-code-point": Change(
            "    if not all(key.isascii() for key, _ in pairs):\n        raise _UnusualError\n", ""
        ),
        "canonical-integers-of-any-size-are-read": Change(
            "json.loads(text, parse_int=float)", "json.loads(text)"
        ),
    },
)
FINISH = Group(
    "agents/capacity/finish.py",
    Promise.ENTRANCE,
    _FINISH,
    {
        "answer-with-a-key-twice-is-read": Change(
            "        json.loads(arguments, object_pairs_hook=_unique)\n", ""
        ),
        "answer-with-a-key-twice-is-unique": Change("if len(dict(pairs)) != len(pairs):", "if False:"),
        "answer-has-no-bound": Change("if len(arguments) > MAX_FINISH:", "if False:"),
        "answer-of-an-unknown-kind-is-read": Change("    if unknown:\n", "    if False:\n"),
        "answer-that-contradicts-itself-is-read": Change(
            'if (finish.outcome == "proposed") != bool(finish.actions):', "if False:"
        ),
        "answer-is-confident-in-words": Change(
            "confidence: float = Field(strict=True, ge=0, le=1)", "confidence: float = Field(ge=0, le=1)"
        ),
        "answer-is-more-than-certain": Change(
            "confidence: float = Field(strict=True, ge=0, le=1)",
            "confidence: float = Field(strict=True, ge=0)",
        ),
    },
)
WORDS = Group(
    "adapters/llm/assembly.py",
    Promise.ENTRANCE,
    ("tests/adapters/llm/test_assembly.py",),
    {
        "words-hold-half-a-surrogate-pair": Change(
            "        text.encode()  # half a surrogate pair is no text\n", ""
        ),
        "words-of-many-calls-have-no-bound": Change("if len(self._calls) > MAX_CALLS:", "if False:"),
        "words-numbered-by-text-are-put-together": Change("if not isinstance(part.index, int):", "if False:"),
    },
)
PORTS = Group(
    "contracts/ports.py",
    Promise.ENTRANCE,
    ("tests/adapters/llm/test_assembly.py",),
    {
        "reply-holds-half-a-surrogate-pair": Change(
            "    if not value.isascii():\n        value.encode()\n", ""
        )
    },
)
DECLARED = Group(
    "contracts/configuration/__init__.py",
    Promise.ENTRANCE,
    _CONFIGURATION,
    {
        "rule-about-an-undeclared-environment-is-read": Change(
            "if environment not in self.environments:\n                return f",
            "if False:\n                return f",
        ),
        "rule-about-nobodys-team-is-read": Change(
            "if team not in {target.team for target in self.targets}:", "if False:"
        ),
        "rule-about-an-undeclared-agent-is-read": Change(
            "if not is_known_agent(agent, self.agents):", "if False:"
        ),
        "rule-that-believes-a-header-is-read": Change(
            "told_apart = len(SAID_BY_CALLERS.intersection(when.channels or ())) == 1", "told_apart = False"
        ),
    },
)
FAULTS = Group(
    "adapters/configuration.py",
    Promise.ENTRANCE,
    _CONFIGURATION,
    {
        "rule-about-an-undeclared-environment-has-no-line": Change(
            "if _text(named) not in environments:", "if False:"
        ),
        "rule-about-nobodys-team-has-no-line": Change("if _text(named) not in teams:", "if False:"),
        "rule-about-an-undeclared-agent-has-no-line": Change(
            "if not is_known_agent(_text(named), agents):", "if False:"
        ),
        "rule-that-believes-a-header-has-no-line": Change(
            "if len(SAID_BY_CALLERS.intersection(map(_text, channels))) == 1:", "if False:"
        ),
    },
)
GROUPS = (CANONICAL, FINISH, WORDS, PORTS, DECLARED, FAULTS)
