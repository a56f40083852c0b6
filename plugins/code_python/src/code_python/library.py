"""The modules that the user's code finds. There are no files where it runs, so what is not imported when the plugin is built is
not there at all."""

from __future__ import annotations

import codecs
import difflib
import importlib

from parlour_plugin import surroundings

#: What people import, as the error for anything else lists it.
MODULES = """
abc array ast base64 binascii bisect calendar cmath codecs collections collections.abc colorsys contextlib contextvars copy csv
dataclasses datetime decimal difflib enum fnmatch fractions functools graphlib gzip hashlib heapq hmac html html.entities
html.parser inspect io ipaddress itertools json keyword logging math numbers operator os os.path pathlib pprint quopri random re
reprlib secrets shlex sqlite3 statistics string struct sys textwrap time traceback types typing unicodedata urllib.parse uuid
warnings weakref xml.etree.ElementTree zipfile zlib zoneinfo
""".split()
#: Encodings whose tables are modules of their own: those that files of the tenants' countries come in.
ENCODINGS = """
ascii big5 big5hkscs cp1250 cp1251 cp1252 cp437 cp850 cp932 cp936 cp949 cp950 euc_jp euc_kr gb18030 gb2312 gbk hz idna
iso2022_jp iso8859_1 iso8859_15 iso8859_2 koi8_r latin_1 mac_roman punycode quopri_codec raw_unicode_escape rot_13 shift_jis
unicode_escape utf_16 utf_16_be utf_16_le utf_32 utf_7 utf_8 utf_8_sig base64_codec hex_codec zlib_codec
""".split()
#: What those import by themselves when they are used for the first time.
INWARD = ["sqlite3.dump"]


def install() -> None:
    """Once, when the plugin is built."""
    for name in [*MODULES, *INWARD]:
        importlib.import_module(name)
    for name in ENCODINGS:
        codecs.lookup(name)
    surroundings.explain_absent(absent)


def absent(name: str) -> str:
    """What there is instead of a module that is not here."""
    near = difflib.get_close_matches(name, MODULES, n=1, cutoff=0.75)
    advice = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(sorted(MODULES))}"
    return f"there is no module `{name}` in the sandbox; {advice}"
