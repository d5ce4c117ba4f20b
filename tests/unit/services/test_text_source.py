"""Text on its way from a writer to a speaker: what is taken at a time, and what waits."""

from speechhub.services.text_source import PART_CHARS, Boundary, TextSource


async def taken(source):
    """Return all that comes next."""
    parts = []
    while (part := source.next()) is not None:
        parts.append(part)
    return parts


async def test_texts_that_wait_are_taken_at_once():
    """Each is read with all before it: one after the other, a burst of letters would take long."""
    source = TextSource()
    for letter in "Hello":
        await source.write(letter)
    source.flush()
    await source.write("again")
    source.end()

    assert await taken(source) == ["Hello", Boundary.FLUSH, "again", Boundary.END]


async def test_no_part_is_long():
    """What is taken at once is bounded, and nothing is lost; the writer gets its room back."""
    source = TextSource()
    text = "".join(chr(97 + number % 26) for number in range(3 * PART_CHARS))
    for start in range(0, len(text), 1000):
        await source.write(text[start : start + 1000])
    parts = await taken(source)
    await source.write("x" * 15 * PART_CHARS)

    assert "".join(parts) == text
    assert max(map(len, parts)) <= PART_CHARS
    assert len("".join(await taken(source))) == 15 * PART_CHARS
