#!/usr/bin/env python3
"""Writes heed/text/unicode_tables.cc: which code points the reference tokenizers class as what.

The `tokenizers` library carries general categories of Unicode 8 and normal forms of Unicode 9, and
checkpoints were trained on what it gave, so Heed takes the classes from it instead of from the
newest Unicode. Each class is read off by running the library on every code point.

    python tools/make_unicode_tables.py > heed/text/unicode_tables.cc && clang-format -i ...

Needs the PyPI package tokenizers and utf8proc's shared library (Debian: libutf8proc2).
"""

import ctypes

import tokenizers
from tokenizers import normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def utf8proc():
    library = ctypes.CDLL("libutf8proc.so.2")
    library.utf8proc_version.restype = ctypes.c_char_p
    library.utf8proc_unicode_version.restype = ctypes.c_char_p
    library.utf8proc_get_property.restype = ctypes.POINTER(ctypes.c_uint16)
    for form in ("NFD", "NFKD"):
        function = getattr(library, "utf8proc_" + form)
        function.restype = ctypes.c_void_p
        function.argtypes = [ctypes.c_char_p]
    return library


def combining_class(library, c):
    return library.utf8proc_get_property(c)[1]  # category, then combining_class, both 16 bits


def reference_reorders(c, klass):
    """Whether the reference sorts c among other marks, that is, knows its combining class."""
    nfd = normalizers.NFD()
    if klass == 1:
        return nfd.normalize_str("a\u0301" + chr(c)) != "a\u0301" + chr(c)
    return nfd.normalize_str("a" + chr(c) + "\u0334") != "a" + chr(c) + "\u0334"


def unknown_to_normal_forms(library):
    """Code points that utf8proc sorts or decomposes and the reference leaves alone."""
    unknown = set()
    for c in CODE_POINTS:
        klass = combining_class(library, c)
        if klass and not reference_reorders(c, klass):
            unknown.add(c)
        if c == 0:
            continue
        for form in ("NFD", "NFKD"):
            ours = ctypes.string_at(getattr(library, "utf8proc_" + form)(chr(c).encode())).decode()
            theirs = getattr(normalizers, form)().normalize_str(chr(c))
            if ours != theirs:
                assert theirs == chr(c), hex(c)
                unknown.add(c)
    return unknown


def classes(library):
    clean = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    bert_marks = normalizers.BertNormalizer(
        clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    marks = normalizers.StripAccents()
    bert = pre_tokenizers.BertPreTokenizer()
    words = pre_tokenizers.Whitespace()

    def pieces(splitter, c):  # a + c + a: 3 pieces when isolated, 2 when dropped, 1 when joined
        return len(splitter.pre_tokenize_str("a" + chr(c) + "a"))

    return {
        "kControl": ("dropped by BertNormalizer's clean_text, U+FFFD apart",
                     lambda c: c != 0xFFFD and clean.normalize_str(chr(c)) == ""),
        "kWhitespace": ("split on by BertPreTokenizer", lambda c: pieces(bert, c) == 2),
        "kPunctuation": ("isolated by BertPreTokenizer", lambda c: pieces(bert, c) == 3),
        "kNonspacingMark": ("dropped by BertNormalizer's strip_accents",
                            lambda c: bert_marks.normalize_str(chr(c)) == ""),
        "kCombiningMark": ("dropped by StripAccents", lambda c: marks.normalize_str(chr(c)) == ""),
        "kWord": (r"matched by \w", lambda c: pieces(words, c) == 1),
    }


def ranges(members):
    found = []
    for c in sorted(members):
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def scripts():
    """Numbers of the scripts that UnicodeScripts sees, by code point: it cuts between two of different scripts, and
    never at one of none."""
    splitter = pre_tokenizers.UnicodeScripts()

    def together(a, b):
        return len(splitter.pre_tokenize_str(chr(a) + chr(b))) == 1

    latin, greek = ord("a"), 0x3B1
    firsts, found = [], {}  # a code point of each script
    last = 0
    for c in CODE_POINTS:
        if together(latin, c) and together(greek, c):
            continue
        if not firsts or not together(firsts[last], c):
            last = next((i for i, first in enumerate(firsts) if together(first, c)), len(firsts))
            if last == len(firsts):
                firsts.append(c)
        found[c] = last
    return found


def print_scripts():
    print("\nconst ScriptRange kScriptRanges[] = {  // between which UnicodeScripts cuts")
    found = []
    for c, script in scripts().items():
        if found and found[-1][1] == c - 1 and found[-1][2] == script:
            found[-1][1] = c
        else:
            found.append([c, c, script])
    print(" ".join(f"{{0x{a:X}, 0x{b:X}, {script}}}," for a, b, script in found))
    print("};")


def print_table(name, comment, members):
    print(f"\nconst CodePointRange {name}Ranges[] = {{  // {comment}")
    print(" ".join(f"{{0x{a:X}, 0x{b:X}}}," for a, b in ranges(members)))
    print("};")


def main():
    library = utf8proc()
    print(f"""// Made by tools/make_unicode_tables.py from tokenizers {tokenizers.__version__} and utf8proc
// {library.utf8proc_version().decode()} (Unicode {library.utf8proc_unicode_version().decode()}); \
do not edit.
#include "heed/text/unicode_tables.h"

namespace heed {{
namespace {{""")
    tables = classes(library)
    for name, (comment, test) in tables.items():
        print_table(name, comment, [c for c in CODE_POINTS if test(c)])
    print_table("kUnknownToNormalForms", "assigned after the reference's normal forms",
                unknown_to_normal_forms(library))
    print_scripts()
    print("\n}  // namespace\n\nstd::span<const CodePointRange> code_points_of(CodePointClass kind) "
          "{\n  switch (kind) {")
    for name in [*tables, "kUnknownToNormalForms"]:
        snake = "".join("_" + x.lower() if x.isupper() else x for x in name[1:])[1:]
        print(f"    case CodePointClass::{snake}:\n      return {name}Ranges;")
    print("  }\n  return {};\n}\n\nstd::span<const ScriptRange> script_ranges() { return kScriptRanges; }\n\n"
          "}  // namespace heed")


if __name__ == "__main__":
    main()
