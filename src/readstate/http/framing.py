"""Where one request ends and the next one begins."""


class Framing:
    """Cuts what arrives into pieces, each of one request only, and counts the bytes that are not a body.

    The parser gets the pieces. It says here which part of a request it has found, and that decides the next cut.
    """

    def __init__(self, most_bytes: int) -> None:
        self.in_head = True
        self._most_bytes = most_bytes
        self._counted = 0
        """Bytes so far of a head, of the line before a chunk, or of trailers."""
        self._body_left = 0
        """Bytes still to come of a body with a known length, or of a chunk and the line end that follows it."""
        self._line = bytearray()
        """What has arrived after the head or the last chunk."""

    def next_piece(self, data: bytes, start: int) -> bytes:
        """The piece that begins at `start`. It is empty if too many bytes have come that are not a body."""
        if self._body_left:
            piece = data[start : start + self._body_left]
            self._body_left -= len(piece)
            return piece
        # A new head ends with an empty line. Of a head that began in an earlier piece every line is cut, because the
        # first bytes of the empty line may be in that piece. Between two chunks every line is cut too.
        mark = b"\r\n\r\n" if self.in_head and not self._counted else b"\n"
        found = data.find(mark, start)
        end = len(data) if found < 0 else found + len(mark)
        piece = data[start : min(end, start + self._most_bytes - self._counted)]
        self._counted += len(piece)
        if not self.in_head:
            self._line += piece
        return piece

    # ── What the parser finds ────────────────────────────────────────────────────────────────────────────────────────

    def head_ends(self, headers: list[tuple[bytes, bytes]]) -> None:
        self.in_head, self._counted = False, 0
        for name, value in headers:
            if name == b"content-length":
                self._body_left = int(value)

    def chunk_begins(self) -> None:
        # The parser has accepted the line. The last chunk has no bytes, and trailers may follow it.
        size = int(self._line.partition(b";")[0], 16)
        self._line.clear()
        if size:
            self._body_left = size + len(b"\r\n")

    def body_arrives(self) -> None:
        self._counted = 0

    def request_ends(self) -> None:
        self.in_head, self._counted = True, 0
        self._line.clear()
