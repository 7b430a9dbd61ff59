from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fastconnect.connectors.line_blocks import nth_newline


@given(
    data=st.lists(st.sampled_from([b"\n", b"a", b"b" * 300]), max_size=60).map(b"".join),
    n=st.integers(0, 60),
    cut=st.integers(0, 500),
)
def test_the_nth_newline_is_found_without_counting_from_the_beginning(data, n, cut):
    end = max(0, len(data) - cut)
    places = [place for place, byte in enumerate(data[:end]) if byte == 10]
    assert nth_newline(data, n, end) == (places[n] if n < len(places) else end - 1)
