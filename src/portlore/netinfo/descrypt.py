"""Traditional crypt(3): thirteen characters, by DES run 25 times over a block of zeros. Pure.

DES is FIPS 46-3: its tables stand below as printed there, bit 1 the leftmost. A salt of twelve bits swaps bits of the
expansion E; a key is the lower seven bits of up to eight bytes.

What makes it quick: both halves of the block stay expanded, as 48 bits, because E only copies bits and so goes with
XOR. What follows E in a round (eight S-boxes, P) and the E of the next round are four tables of 4096 entries. IP and
its inverse undo one another between the runs: the first sees zeros, the last one is part of reading the result.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Tables = tuple[tuple[list[int], ...], list[int], list[int]]

ALPHABET = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RUNS = 25
SIGNIFICANT = 8  # bytes of a password; the rest is not looked at

S = (  # a hexadecimal digit an entry; four rows of sixteen to a box
    "E4D12FB83A6C5907" "0F74E2D1A6CB9538" "41E8D62BFC973A50" "FC8249175B3EA06D",
    "F18E6B34972DC05A" "3D47F28EC01A69B5" "0E7BA4D158C6932F" "D8A13F42B67C05E9",
    "A09E63F51DC7B428" "D709346A285ECBF1" "D6498F30B12C5AE7" "1AD069874FE3B52C",
    "7DE3069A1285BC4F" "D8B56F03472C1AE9" "A690CB7DF13E5284" "3F06A1D8945BC72E",
    "2C417AB6853FD0E9" "EB2C47D150FA3986" "421BAD78F9C5630E" "B8C71E2D6F09A453",
    "C1AF92680D34E75B" "AF427C9561DE0B38" "9EF528C3704A1DB6" "432C95FABE17608D",
    "4B2EF08D3C975A61" "D0B7491AE35C2F86" "14BDC37EAF680592" "6BD814A7950FE23C",
    "D2846FB1A93E50C7" "1FD8A374C56B0E92" "7B419CE206ADF358" "21E74A8DFC90356B",
)  # fmt: skip
P = (
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10,
    2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
)  # fmt: skip
E = tuple((4 * box + place - 1) % 32 + 1 for box in range(8) for place in range(6))  # 32 1 2 3 4 5, 4 5 6 …
FINAL = tuple(base - row for row in range(8) for base in (40, 8, 48, 16, 56, 24, 64, 32))  # the inverse of IP
C0: tuple[int, ...] = (  # PC-1, its left half
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
)  # fmt: skip
D0: tuple[int, ...] = (  # PC-1, its right half
    63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
)  # fmt: skip
PC2 = (
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
    41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
)  # fmt: skip
SHIFTS = (1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1)


def des_crypt(password: bytes, salt: bytes) -> bytes:
    """The thirteen characters for a password and the first two characters of a salt (or of a hash).

    As in C, a password ends at a NUL. ``ValueError`` for a salt that is too short or has other characters.
    """
    low, high = ALPHABET.find(salt[:1]), ALPHABET.find(salt[1:2])
    if len(salt) < 2 or low < 0 or high < 0:
        raise ValueError(f"{salt[:2]!r} is not a salt: two characters of ./0-9A-Za-z")
    (one, two, three, four), by_key_bit, picked = _MADE[0] if _MADE else _tables()
    swapped = int(f"{low | high << 6:012b}"[::-1], 2) << 12  # the salt's lowest bit is bit 1 of E, which is leftmost
    keys = _round_keys(password, by_key_bit)
    pairs = list(zip(keys[::2], keys[1::2], strict=True))
    left = right = 0
    for _ in range(RUNS):
        for odd, even in pairs:
            differing = (right >> 24 ^ right) & swapped
            at = right ^ odd ^ differing ^ differing << 24
            left ^= one[at >> 36] ^ two[at >> 24 & 4095] ^ three[at >> 12 & 4095] ^ four[at & 4095]
            differing = (left >> 24 ^ left) & swapped
            at = left ^ even ^ differing ^ differing << 24
            right ^= one[at >> 36] ^ two[at >> 24 & 4095] ^ three[at >> 12 & 4095] ^ four[at & 4095]
        left, right = right, left
    both = left << 48 | right
    block = 0
    for place in picked:
        block = block << 1 | both >> place & 1
    block <<= 2  # 64 bits in eleven characters of six
    return salt[:2] + bytes([ALPHABET[block >> shift & 63] for shift in range(60, -1, -6)])


def _round_keys(password: bytes, by_key_bit: list[int]) -> list[int]:
    """The sixteen round keys, 48 bits each."""
    joined = 0
    for place, byte in enumerate(password.partition(b"\0")[0][:SIGNIFICANT]):
        for bit in range(7):
            if byte >> bit & 1:
                joined |= by_key_bit[place * 7 + bit]
    return [joined >> 48 * number & 0xFFFF_FFFF_FFFF for number in range(16)]


_MADE: list[Tables] = []  # at first use


def _tables() -> Tables:
    boxes = [_box(number) for number in range(8)]
    pairs = tuple([a ^ b for a in boxes[number] for b in boxes[number + 1]] for number in range(0, 8, 2))
    _MADE.append((pairs, _by_key_bit(), _picked()))
    return _MADE[0]


def _box(number: int) -> list[int]:
    """What a half changes by, expanded, for every input of an S-box: E(P(S))."""
    rows = [int(digit, 16) for digit in S[number]]
    found = []
    for given in range(64):  # its outer bits choose the row, the inner four the column
        row, column = given >> 4 & 2 | given & 1, given >> 1 & 15
        out = rows[row * 16 + column] << (28 - 4 * number)
        moved = 0
        for bit in P:
            moved = moved << 1 | out >> (32 - bit) & 1
        wide = 0
        for bit in E:
            wide = wide << 1 | moved >> (32 - bit) & 1
        found.append(wide)
    return found


def _by_key_bit() -> list[int]:
    """What each bit of a password adds to the round keys, all sixteen in one number, the first lowest.

    Seven bits to a byte, its lowest first: a byte of the key is shifted left by one, where DES has its parity.
    """
    found = [0] * 56
    c, d = C0, D0
    for number, shift in enumerate(SHIFTS):
        c, d = c[shift:] + c[:shift], d[shift:] + d[:shift]
        chosen = c + d
        for place, bit in enumerate(PC2):
            byte, inner = divmod(chosen[bit - 1] - 1, 8)
            found[byte * 7 + 6 - inner] |= 1 << (48 * number + 47 - place)
    return found


def _picked() -> list[int]:
    """Where the 64 bits of the result stand in both expanded halves, 96 bits; each bit is in E at least once."""
    found = []
    for bit in FINAL:
        half, place = divmod(bit - 1, 32)
        found.append(95 - half * 48 - E.index(place + 1))
    return found
