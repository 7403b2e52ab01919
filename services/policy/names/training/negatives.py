"""Text without names: Python's own standard library (PSF licence), read from the interpreter that trains. Only its effect on the weights is shipped."""

import random
import re
import sysconfig
from collections import Counter
from functools import cache
from pathlib import Path

MODULES = (
    "abc argparse ast asyncio/base_events asyncio/events asyncio/queues asyncio/streams asyncio/tasks base64 bdb bisect calendar cmd code "
    "codecs collections/__init__ compileall concurrent/futures/_base configparser contextlib copy csv dataclasses datetime dbm/__init__ decimal "
    "difflib dis email/message email/header enum filecmp fileinput fnmatch fractions ftplib functools gettext glob graphlib gzip hashlib heapq "
    "hmac html/parser http/client http/cookiejar http/server imaplib imp importlib/_bootstrap importlib/resources/abc inspect io ipaddress "
    "json/decoder json/encoder keyword linecache locale logging/__init__ logging/config logging/handlers lzma mailbox mimetypes multiprocessing/pool "
    "multiprocessing/managers netrc ntpath numbers opcode operator optparse os pathlib pdb pickle pickletools pkgutil platform plistlib poplib "
    "posixpath pprint profile pstats pyclbr pydoc queue quopri random re/_compiler re/_parser reprlib runpy sched secrets selectors shelve shlex "
    "shutil signal site smtplib socket socketserver sqlite3/dump ssl stat statistics string struct subprocess symtable sysconfig tabnanny tarfile "
    "telnetlib tempfile textwrap threading timeit token tokenize trace traceback tracemalloc types typing unittest/case unittest/mock urllib/parse "
    "urllib/request uuid venv/__init__ warnings wave weakref webbrowser wsgiref/handlers xml/dom/minidom xml/etree/ElementTree xmlrpc/client "
    "zipapp zipfile zipimport zoneinfo/_common"
).split()
HEADERS = "abstract.h boolobject.h bytesobject.h ceval.h codecs.h dictobject.h errcode.h import.h listobject.h object.h pymem.h unicodeobject.h".split()

_PEOPLE = re.compile(
    r"author|copyright|written|contribut|thanks|credit|maintain|@|courtesy|\bby [A-Z]|\b[A-Z]\. ?[A-Z][a-z]|[A-Z][a-z]+ [A-Z]\. |Guido|Tim|Barry|Fred|Raymond|"
    r"Lundh|Holland|Amsterdam|CNRI|CWI|BeOpen|Foundation|Knuth|Python Software|America|Europe|Jack|Eric|Monty|Alice|Bob|Vinay|Ka-Ping|Skip|Jim|Norwegian|"
    r"Berlin|London|Paris|New York|Netherlands|Stichting|Microsoft|Google|Apple|IBM|Sjoerd|Oracle|Corporation|Inc\b|John|Smith|Greg|Mark |Moshe|Nick|Peter|Steve",
    re.IGNORECASE,
)
_WORD = re.compile(r"(?<![\w.(])[a-z]{3,14}(?![\w(.=\[])")


@cache
def _sources() -> tuple[str, ...]:
    library, include = Path(sysconfig.get_paths()["stdlib"]), Path(sysconfig.get_paths()["include"])
    files = [library / f"{name}.py" for name in MODULES] + [include / name for name in HEADERS]
    return tuple(file.read_text("utf-8", "replace") for file in files if file.exists())


@cache
def _lines() -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(source.splitlines()) for source in _sources())


def excerpt(rng: random.Random) -> str:
    """Some lines of code, none of which could name a person."""
    lines = rng.choice(_lines())
    begin = rng.randrange(max(1, len(lines) - 10))
    kept = [line for line in lines[begin : begin + rng.randint(3, 30)] if not _PEOPLE.search(line)]
    return "\n".join(kept).strip("\n")


@cache
def _reading() -> str:
    """What people are to read: the sources above without their line breaks and comment signs, and the language reference."""
    library = Path(sysconfig.get_paths()["stdlib"])
    topics = (library / "pydoc_data" / "topics.py").read_text("utf-8", "replace").replace("\\n", " ").replace("' '", " ")
    topics = re.sub(r"'\n\s*'", "", topics).replace("'\n", " ")
    sources = [*_sources(), *((library / folder).read_text("utf-8", "replace") for folder in _MORE if (library / folder).exists())]
    return "\n".join(re.sub(r"\n[ \t]*#?[ \t]*", " ", text) for text in (*sources, topics))


_MORE = tuple(
    f"{name}.py"
    for name in (
        "turtle", "idlelib/editor", "idlelib/config", "idlelib/pyshell", "idlelib/configdialog", "idlelib/autocomplete", "idlelib/search", "idlelib/help",
        "lib2to3/refactor", "distutils/dist", "distutils/cmd", "distutils/core", "tkinter/__init__", "tkinter/ttk", "doctest", "unittest/loader", "aifc",
        "cgi", "contextvars", "copyreg", "crypt", "ctypes/util", "curses/textpad", "email/_header_value_parser", "email/contentmanager", "email/policy",
        "ensurepip/__init__", "encodings/idna", "getopt", "getpass", "imghdr", "importlib/metadata/__init__", "logging/handlers", "mailcap", "modulefinder",
        "multiprocessing/connection", "nntplib", "pipes", "pty", "rlcompleter", "smtpd", "sndhdr", "socketserver", "sre_parse", "stringprep", "sunau",
        "trace", "tty", "urllib/robotparser", "uu", "wsgiref/validate", "xdrlib", "xml/sax/handler", "xml/sax/saxutils", "chunk", "colorsys", "bz2",
    )
)  # fmt: skip


@cache
def prose() -> tuple[str, ...]:
    """Sentences out of docstrings, comments and the language reference."""
    sentences = re.findall(r"(?<=[.\"#:!)] )[A-Z][a-z]*(?: \(?[a-z',-]+\)?[,;:]?){3,24}[.!?]", _reading())
    return tuple(dict.fromkeys(sentence for sentence in sentences if not _PEOPLE.search(sentence)))


@cache
def vocabulary() -> tuple[str, ...]:
    """Ordinary English words, from the same."""
    counts = Counter(word for word in _WORD.findall(_reading()) if not _PEOPLE.search(word))
    return tuple(sorted(word for word, count in counts.items() if count >= 4))


__all__ = ["excerpt", "prose", "vocabulary"]
