"""Reading a text without a model: counting words, finding fields, paths, names and what is not said. Pure functions.

This is what the simulated provider knows. It is meant to be plain, predictable and honest about its input, not clever.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

__all__ = ["STANDARD_REPORT_ITEMS", "Reading", "words_of"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_PLACEHOLDER = re.compile(r"<[A-Z][A-Z_]*_\d+>")
# Who may be addressed in a reply. Card and account numbers never belong in one, so their placeholders are not echoed.
_ADDRESSABLE = re.compile(r"<(?:PERSON|NAME|USER|USERNAME|LOGIN|EMAIL|EMAIL_ADDRESS)_\d+>")
_PERSON = re.compile(r"<(?:PERSON|NAME|USER|USERNAME|LOGIN)_\d+>")
_HANDLE = re.compile(r"(?<![\w@/.])@([A-Za-z0-9][A-Za-z0-9-]{0,38})\b")
_FIELD = re.compile(r"^[ \t>*#_-]*([A-Za-z][A-Za-z _-]{1,30}?)[*_ ]*:[*_ \t]*(\S[^\n]*)$", re.MULTILINE)
_CODE_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_PATH = re.compile(r"(?<![\w:/.<-])(?:[A-Za-z_][\w.-]*/)+[\w.-]*\w")
_MODULE = re.compile(r"(?<![\w/.@])[A-Za-z_]\w+(?:\.[A-Za-z_]\w+)+(?![\w/@])")
_TICKED = re.compile(r"(?<!`)`([A-Za-z_][\w./-]{1,60})`(?!`)")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_MARKUP_BEFORE, _MARKUP_AFTER = " \t\r\n\f\v#>*-_`|", " \t\r\n\f\v*_`|"
_NUMBER = re.compile(r"(?<![\w.])-?\d{1,15}(?:\.\d{1,6})?(?![\w.]*\w)")
_WORD = re.compile(r"[A-Za-z][a-z]+|[A-Z]+(?![a-z])|\d+")
_FREE_WORD = re.compile(r"[^\W\d_][\w-]{3,}")

_SYNONYMS: dict[str, tuple[str, ...]] = {
    "bug": (
        "bug", "crash", "error", "exception", "traceback", "fail", "broken", "break", "regression", "wrong", "incorrect",
        "stack trace", "does not work", "doesn't work", "not working", "unexpected", "hang", "freez",
    ),
    "feature": (
        "feature", "add support", "support for", "would be nice", "would be great", "request", "enhancement", "please add",
        "it would help", "allow us", "ability to", "proposal", "wish",
    ),
    "question": ("question", "how do", "how can", "how to", "how should", "why", "what is", "is it possible", "?"),
    "documentation": ("documentation", "docs", "readme", "typo", "tutorial", "docstring", "guide", "changelog"),
    "security": (
        "security", "vulnerab", "cve-", "exploit", "xss", "injection", "leak", "credential", "privilege", "bypass",
        "sensitive data",
    ),
    "performance": ("performance", "slow", "latency", "memory usage", "timeout"),
    "positive": ("thank", "great", "love", "excellent", "good"),
    "negative": ("terrible", "bad", "angry", "disappoint", "awful", "worst"),
}  # fmt: skip
_SYNONYM_NAMES = {
    "defect": "bug",
    "enhancement": "feature",
    "docs": "documentation",
    "doc": "documentation",
    "support": "question",
}
_SEVERITY: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("critical", ("critical", "data loss", "lose data", "loses data", "lost data", "security", "vulnerab", "outage",
                  "is down", "production down", "corrupt")),
    ("high", ("crash", "regression", "blocker", "blocks", "unusable", "urgent", "severe")),
    ("low", ("minor", "typo", "cosmetic", "nitpick", "trivial", "low priority")),
)  # fmt: skip
_SEVERITY_NAMES = {"critical": "critical", "urgent": "critical", "blocker": "critical", "high": "high", "major": "high",
                   "medium": "medium", "normal": "medium", "moderate": "medium", "low": "low", "minor": "low"}  # fmt: skip

STANDARD_REPORT_ITEMS: dict[str, tuple[str, ...]] = {
    "steps to reproduce": ("steps to reproduce", "to reproduce", "reproduc", "repro steps", "steps:"),
    "expected behaviour": ("expected", "should have", "expect "),
    "actual behaviour": ("actual", "instead", "observed", "what happened", "happens"),
    "version": ("version", "release", "commit "),
    "environment": (
        "environment",
        "python 3",
        "linux",
        "windows",
        "macos",
        "ubuntu",
        "debian",
        "docker",
        "browser",
        "platform",
    ),
    "logs": ("traceback", "log", "stack trace", "stacktrace", "exception:", "error:"),
}
_STOPWORDS = frozenset(
    {"this", "that", "with", "from", "have", "when", "what", "where", "which", "while", "would", "could", "should", "there",
     "their", "about", "after", "before", "into", "then", "than", "them", "they", "your", "ours", "just", "also", "only",
     "some", "such", "very", "been", "were", "will", "does", "done", "here", "http", "https"}
)  # fmt: skip


def words_of(name: str) -> list[str]:
    """The words of an identifier or phrase, lower case: "missing_information", "draftReply" and "data loss" alike."""
    return [word.lower() for word in _WORD.findall(name)]


def _plain(text: str) -> str:
    return text.lstrip(_MARKUP_BEFORE).rstrip(_MARKUP_AFTER)


class Reading:
    """One text, read on demand. Lone surrogates count as U+FFFD, so nothing that comes out of here holds one."""

    def __init__(self, text: str) -> None:
        self.text = _SURROGATE.sub("\ufffd", text)

    @cached_property
    def _lower(self) -> str:
        return self.text.lower()

    def mentions(self, phrase: str) -> int:
        """How often the phrase begins at a word boundary: "crash" is found in "crashes", "down" not in "download" alone."""
        if not phrase:
            return 0
        boundary = r"(?<!\w)" if phrase[0].isalnum() else ""
        end = r"(?!\w)" if len(phrase) < 4 and phrase[-1].isalnum() else ""
        return len(re.findall(boundary + re.escape(phrase) + end, self._lower))

    def choose(self, options: Sequence[str], *, about: str = "") -> int:
        """The index of the option that the text speaks of most.

        Severities follow a fixed order (data loss before crash before typo, else medium). Without any mention: an option
        that says so ("other", "unknown", "medium"), else the first.
        """
        lowered = [option.lower() for option in options]
        ranks = [_SEVERITY_NAMES.get(option) for option in lowered]
        if sum(rank is not None for rank in ranks) >= 2 and len(set(ranks) & {"critical", "high", "medium", "low"}) >= 2:
            for level, phrases in _SEVERITY:
                if level in ranks and any(self.mentions(phrase) for phrase in phrases):
                    return ranks.index(level)
            return ranks.index("medium") if "medium" in ranks else len(options) // 2
        scores = [self._score(option) for option in lowered]
        best = max(scores, default=0)
        if best > 0:
            return scores.index(best)
        neutral = ("other", "unknown", "none", "medium", "general", "neutral", *words_of(about))
        return next((lowered.index(word) for word in neutral if word in lowered), 0)

    def _score(self, option: str) -> float:
        name = _SYNONYM_NAMES.get(option, option)
        phrases = _SYNONYMS.get(name) or (" ".join(words_of(option)) or option,)
        # What the title says counts twice. A question mark is a weak sign: reports of failures have them too.
        headline = Reading(self.title)
        return sum((self.mentions(phrase) + headline.mentions(phrase)) * (1 if len(phrase) > 1 else 0.5) for phrase in phrases)

    @cached_property
    def fields(self) -> dict[str, str]:
        """Lines of the form "Name: value", names in lower case; the first of each name wins."""
        found: dict[str, str] = {}
        for name, value in _FIELD.findall(self.text):
            found.setdefault(name.strip().lower().replace("_", " ").replace("-", " "), value.strip())
        return found

    def field(self, *names: str) -> str | None:
        """The value of the first of these fields that the text has."""
        return next((self.fields[name] for name in names if name in self.fields), None)

    @cached_property
    def sentences(self) -> list[str]:
        """Prose sentences in order, without code blocks, markup, and labels such as "Body:"."""
        prose = _CODE_FENCE.sub("\n", self.text)
        prose = re.sub(
            r"^[ \t]*(?:title|subject|body|description|summary|issue)[ \t]*:[ \t]*",
            "",
            prose,
            flags=re.MULTILINE | re.IGNORECASE,
        )
        cleaned = (_plain(part) for part in _SENTENCE_END.split(prose))
        return [part for part in cleaned if part and any(c.isalnum() for c in part) and not re.fullmatch(r"</?\w+>", part)]

    def summary(self, limit: int = 280) -> str:
        """The first sentences, up to ``limit`` characters; the first one is cut if it alone is longer."""
        taken = ""
        for sentence in self.sentences:
            longer = f"{taken} {sentence}" if taken and taken[-1] in ".!?" else f"{taken}. {sentence}" if taken else sentence
            if len(longer) > limit:
                break
            taken = longer
            if taken.count(". ") >= 1 or len(taken) > limit // 2:
                break
        if taken:
            return taken
        first = self.sentences[0] if self.sentences else " ".join(self.text.split())
        return first if len(first) <= limit else first[: limit - 1].rstrip() + "…"

    @cached_property
    def title(self) -> str:
        """The field "Title:" where there is one, else the first sentence."""
        found = self.field("title", "subject") or (self.sentences[0] if self.sentences else "")
        return _plain(found)[:120]

    @cached_property
    def area(self) -> str:
        """The part of the system that is spoken of most: a named field, else the commonest path, module or `name`."""
        named = self.field("area", "component", "module", "package", "service")
        if named:
            return _plain(named)[:80]
        counts: Counter[str] = Counter()
        for path in _PATH.findall(self.text):
            folder, _, last = path.rpartition("/")
            counts[folder if "." in last else path] += 2
        counts.update(_MODULE.findall(self.text))
        counts.update(_TICKED.findall(self.text))
        if counts:
            return counts.most_common(1)[0][0][:80]
        # "Add support for dark mode" is about dark, not about support: what says which kind of report it is, is no area.
        kinds = " ".join(phrase for phrases in _SYNONYMS.values() for phrase in phrases)
        words = [*Reading(self.title).keywords(8), *self.keywords(8)]
        return next((word for word in words if word not in kinds), "general")

    def keywords(self, count: int) -> list[str]:
        """The commonest words of four letters or more, first come first among equals."""
        found = Counter(w for w in _FREE_WORD.findall(_PLACEHOLDER.sub(" ", self.text).lower()) if w not in _STOPWORDS)
        return [word for word, _ in found.most_common(count)]

    @cached_property
    def placeholders(self) -> list[str]:
        """Distinct redaction placeholders such as <EMAIL_1>, in order."""
        return list(dict.fromkeys(_PLACEHOLDER.findall(self.text)))

    @cached_property
    def missing_report_items(self) -> list[str]:
        """Which of the standard parts of a problem report are not spoken of."""
        return [item for item, signs in STANDARD_REPORT_ITEMS.items() if not any(sign in self._lower for sign in signs)]

    def reply(self) -> str:
        """A courteous short answer that addresses whom the text names and asks for what it lacks."""
        person = next(iter(_PERSON.findall(self.text)), None)
        handle = _HANDLE.search(self.text)
        greeting = person or (f"@{handle.group(1)}" if handle else None) or "there"
        lines = [f"Hi {greeting}, thank you for taking the time to write this up."]
        if self.title:
            quoted = _PLACEHOLDER.sub(lambda m: m.group() if _ADDRESSABLE.fullmatch(m.group()) else "…", self.title)
            lines.append(f"We have read it as: “{quoted}”.")
        if self.missing_report_items:
            lines.append(f"To look into it we still need: {', '.join(self.missing_report_items)}.")
        contacts = [p for p in self.placeholders if _ADDRESSABLE.fullmatch(p) and p != person][:3]
        if contacts:
            lines.append(f"We will keep {' and '.join(contacts)} informed.")
        return " ".join(lines)

    def number(self, name: str) -> float | None:
        """The first number after a word of ``name`` on the same line, else none."""
        for word in words_of(name):
            for line in self._lower.splitlines():
                at = line.find(word)
                found = _NUMBER.search(line, at + len(word)) if at >= 0 else None
                if found:
                    return float(found.group())
        return None
