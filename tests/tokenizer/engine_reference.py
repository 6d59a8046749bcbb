#!/usr/bin/env python3
"""What Hugging Face's tokenizers does with every character, as digests: the lines of tests/golden/tokenizers_unicode.txt.

    pip install tokenizers==0.23.3; python3 tests/tokenizer/engine_reference.py > tests/golden/tokenizers_unicode.txt
"""
import hashlib
from tokenizers import Regex, normalizers, pre_tokenizers

CATEGORIES = "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp".split()
CHARACTERS = [c for c in range(1, 0x110000) if not 0xD800 <= c <= 0xDFFF]
TEXT = "".join(map(chr, CHARACTERS))


def digest(characters):
    return hashlib.sha256(b"".join(c.to_bytes(4, "little") for c in sorted(characters))).hexdigest()


def matched(pattern):
    return set(CHARACTERS) - set(map(ord, normalizers.Replace(Regex(pattern), "").normalize_str(TEXT)))


for category in CATEGORIES:
    print("category", category, digest(matched(r"\p{%s}" % category)))
print("class d", digest(matched(r"\d")))
print("class s", digest(matched(r"\s")))
digits = pre_tokenizers.Digits(individual_digits=True)
print("numeric Digits", digest(c for c in CHARACTERS if len(digits.pre_tokenize_str("a" + chr(c) + "b")) == 3))
nfc = normalizers.NFC()
for name, around in (("after", "a\u0315%s\u0334"), ("before", "a%s\u0334\u0301"), ("composed", "%s\u0301\u11a8"), ("alone", "%s")):
    text = "\n".join(around % chr(c) for c in CHARACTERS)
    print("nfc", name, hashlib.sha256(nfc.normalize_str(text).encode()).hexdigest())
