"""Whatever the bytes and the names are: a photo of valid shape, or one clear error."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bshm.batch.sources import expand
from tests.codec.fuzz_decode import CORPUS, check

EXAMPLES = settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# Places are shares of the file, raised to a power: headers are where the decisions are made.
PLACES = st.tuples(st.floats(0, 1), st.sampled_from([1, 2, 4])).map(lambda t: t[0] ** t[1])
WORDS = st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF])
EDITS = st.one_of(
    st.tuples(st.just("byte"), PLACES, st.integers(0, 255)),
    st.tuples(st.just("little"), PLACES, WORDS),
    st.tuples(st.just("big"), PLACES, WORDS),
    st.tuples(st.just("cut"), PLACES, st.integers(1, 50)),
    st.tuples(st.just("repeat"), PLACES, st.integers(1, 50)),
    st.tuples(st.just("end"), PLACES, st.just(0)),
)


def edited(data, edits):
    data = bytearray(data)
    for kind, share, value in edits:
        place = int(share * len(data))
        if kind == "byte":
            data[place : place + 1] = bytes([value])
        elif kind == "cut":
            del data[place : place + value]
        elif kind == "repeat":
            data[place:place] = data[place : place + value]
        elif kind == "end":
            del data[place:]
        else:
            size = 2 if value <= 0xFFFF else 4
            data[place : place + size] = value.to_bytes(size, kind)
    return bytes(data)


def test_damaged_files_of_every_format(valid_file):
    @EXAMPLES
    @given(st.lists(EDITS, min_size=1, max_size=6))
    def damaged(edits):
        check(edited(valid_file.data, edits))

    damaged()


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_corpus_of_the_fuzzer(path):
    check(path.read_bytes())


@EXAMPLES
@given(
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"BM"]),
    st.binary(),
)
def test_any_bytes(start, rest):
    check(start + rest)


@EXAMPLES
@given(st.text())
def test_any_name_becomes_a_source_and_any_url_a_safe_file_name(text):
    for named in ("no-such-folder/" + text, "http://127.0.0.1:1/" + text):
        for source in expand([named]):
            assert source.name.isprintable() or not source.name.isascii()
            assert "\n" not in source.name and source.stem
            if source.path is None:
                assert not set(source.stem) & set('/\\:*?"<>|\0\n') and source.stem[0] != "."
                assert len(os.fsencode(source.stem)) <= 200
