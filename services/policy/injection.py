"""Signs of prompt injection and jailbreaking in a text. They add labels that rules may weigh; they never are the only line.

Each pattern is linear: bounded repetitions, none adjacent to another over the same characters.
"""

import re

_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (label, re.compile(pattern, re.IGNORECASE))
    for label, pattern in (
        (
            "injection.override",
            r"\b(?:ignore|disregard|forget|override)\s{1,4}(?:all\s{1,4})?(?:of\s{1,4})?(?:the\s{1,4}|your\s{1,4}|my\s{1,4}|any\s{1,4})?"
            r"(?:previous|prior|above|earlier|preceding|system)\s{1,4}(?:instruction|prompt|message|rule|direction|context)",
        ),
        (
            "injection.extraction",
            r"\b(?:reveal|show|print|repeat|output|display)\s{1,4}(?:me\s{1,4})?(?:the\s{1,4}|your\s{1,4})"
            r"(?:system\s{1,4}|initial\s{1,4}|hidden\s{1,4}|original\s{1,4})(?:prompt|instruction|message)",
        ),
        (
            "injection.roles",
            r"<\|(?:im_start|im_end|system|endoftext)\|>|\[/?INST\]|<</?SYS>>|(?:^|\n)#{2,3} ?(?:system|instruction):",
        ),
        (
            "jailbreak.persona",
            r"\b(?:you\s{1,4}are\s{1,4}now|act\s{1,4}as|pretend\s{1,4}to\s{1,4}be)\s{1,4}(?:a\s{1,4}|an\s{1,4})?"
            r"(?:dan\b|unrestricted|unfiltered|jailbroken|developer\s{1,4}mode)",
        ),
    )
)


def labels(text: str) -> tuple[str, ...]:
    """The labels that ``text`` earns, each once, in the order of the patterns."""
    return tuple(label for label, pattern in _PATTERNS if pattern.search(text) is not None)


__all__ = ["labels"]
