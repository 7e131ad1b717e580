//! The chunked transfer coding (RFC 9112 §7.1), read byte by byte without a buffer and written anew.
//!
//! Extensions are checked and dropped, trailers are kept for the end. A size line or trailer section that never ends is
//! a fault.

use super::framing::MAX_LENGTH;
use super::syntax::{hex_digit, is_token};
use super::trailers::{self, Trailers};

/// Bytes of chunk extensions in one message: they carry nothing, so only a sender who wants to hurt needs more.
const MAX_EXTENSION_BYTES: u32 = 4 * 1024;
/// Bytes of the trailer section, as a head's single line.
const MAX_TRAILER_BYTES: usize = 8 * 1024;
/// Fields of the trailer section; each costs every reader more than its bytes.
const MAX_TRAILERS: u8 = 32;
/// Hexadecimal digits of a size, so that none is lost from 64 bits.
const MAX_SIZE_DIGITS: u8 = 16;

/// Where the reader stands. What has been counted so far is in [`Chunked`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first digit of a size.
    SizeStart,
    /// Within a size, after its first digit.
    Size,
    /// White space after a size or an extension: only a further extension may follow.
    Space,
    /// After the semicolon of an extension and white space behind it.
    NameStart,
    /// Within the name of an extension.
    Name,
    /// White space after the name.
    NameSpace,
    /// After the equals sign and white space behind it.
    ValueStart,
    /// Within a value that is a token.
    Value,
    /// Within a value that is a quoted string.
    Quoted,
    /// After a backslash in a quoted string.
    Escaped,
    /// After the closing quote.
    ValueEnd,
    /// After the CR of a size line.
    SizeLf,
    /// Within the data of a chunk.
    Data,
    /// After the data.
    DataCr,
    /// After the CR behind the data.
    DataLf,
    /// At the start of a trailer line or of the final empty line.
    TrailerStart,
    /// Within a trailer's name; it must be a token followed by a colon.
    TrailerName,
    /// Within a trailer's value.
    TrailerValue,
    /// After the CR of a trailer line.
    TrailerLf,
    /// After the CR of the final empty line.
    FinalLf,
    /// The message is complete.
    Done,
}

/// Bytes that are no chunked coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkFault;

/// Reads one chunked body.
#[derive(Clone, Debug)]
pub struct Chunked {
    place: Place,
    /// Bytes of data left in the chunk, or the size read so far.
    left: u64,
    digits: u8,
    extension_bytes: u32,
    trailer_count: u8,
    trailers: Vec<u8>,
    nominated: Box<[u8]>,
}

impl Default for Chunked {
    fn default() -> Self {
        Self {
            place: Place::SizeStart,
            left: 0,
            digits: 0,
            extension_bytes: 0,
            trailer_count: 0,
            trailers: Vec::new(),
            nominated: Box::default(),
        }
    }
}

impl Chunked {
    /// The body of a message whose `Connection` names these fields: they do not pass behind it either.
    pub fn nominating(nominated: &[&[u8]]) -> Self {
        let nominated = nominated.iter().flat_map(|name| name.iter().copied().chain([b'\n'])).collect();
        Self { nominated, ..Self::default() }
    }

    /// Has the final empty line been read?
    pub fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// What came behind the data.
    pub fn trailers(&self) -> Trailers<'_> {
        Trailers { section: &self.trailers, nominated: &self.nominated, is_recoded: false }
    }

    /// Reads on, hands every piece of data to `data`, and returns how many bytes of `input` belong to the message.
    pub fn read(&mut self, input: &[u8], mut data: impl FnMut(&[u8])) -> Result<usize, ChunkFault> {
        let mut at = 0;
        while at < input.len() && self.place != Place::Done {
            if self.place == Place::Data {
                let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len() - at);
                data(&input[at..at + take]);
                self.left -= take as u64;
                at += take;
                if self.left == 0 {
                    self.place = Place::DataCr;
                }
            } else {
                self.place = self.step(input[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    /// One byte that is not data: the next place, as a table of (place, byte).
    fn step(&mut self, byte: u8) -> Result<Place, ChunkFault> {
        match (self.place, byte) {
            (Place::SizeStart | Place::Size, _) if byte.is_ascii_hexdigit() => self.size_digit(byte),
            (Place::Size | Place::Name | Place::Value | Place::ValueEnd, b'\r') => Ok(Place::SizeLf),
            (Place::SizeLf, b'\n') => Ok(self.size_complete()),
            (Place::DataCr, b'\r') => Ok(Place::DataLf),
            (Place::DataLf, b'\n') => Ok(Place::SizeStart),
            (Place::TrailerStart, b'\r') => Ok(Place::FinalLf),
            (Place::TrailerStart | Place::TrailerName, _) if is_token(&[byte]) => {
                self.trailer(byte, Place::TrailerName)
            }
            (Place::TrailerValue, b'\r') => Ok(Place::TrailerLf),
            (Place::TrailerName, b':') | (Place::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => {
                self.trailer(byte, Place::TrailerValue)
            }
            (Place::TrailerLf, b'\n') => self.trailer_end(byte),
            (Place::FinalLf, b'\n') => Ok(Place::Done),
            _ => self.extension(byte),
        }
    }

    /// One byte of the extensions (RFC 9112 §7.1.1), which carry nothing: they are checked, counted and dropped.
    fn extension(&mut self, byte: u8) -> Result<Place, ChunkFault> {
        let next = match (self.place, byte) {
            (Place::Size | Place::Value | Place::ValueEnd | Place::Space, b' ' | b'\t') => Place::Space,
            (Place::Name | Place::NameSpace, b' ' | b'\t') => Place::NameSpace,
            (Place::NameStart | Place::ValueStart, b' ' | b'\t') => self.place,
            (
                Place::Size | Place::Space | Place::Name | Place::NameSpace | Place::Value | Place::ValueEnd,
                b';',
            ) => Place::NameStart,
            (Place::Name | Place::NameSpace, b'=') => Place::ValueStart,
            (Place::Quoted, b'"') => Place::ValueEnd,
            (Place::Quoted, b'\\') => Place::Escaped,
            (Place::ValueStart, b'"') | (Place::Quoted | Place::Escaped, b'\t' | b' '..=b'~' | 0x80..) => {
                Place::Quoted
            }
            (Place::NameStart | Place::Name, _) if is_token(&[byte]) => Place::Name,
            (Place::ValueStart | Place::Value, _) if is_token(&[byte]) => Place::Value,
            _ => return Err(ChunkFault),
        };
        self.extension_bytes += 1;
        if self.extension_bytes > MAX_EXTENSION_BYTES {
            return Err(ChunkFault);
        }
        Ok(next)
    }

    fn size_digit(&mut self, byte: u8) -> Result<Place, ChunkFault> {
        if self.place == Place::SizeStart {
            self.left = 0;
            self.digits = 0;
        }
        self.digits += 1;
        if self.digits > MAX_SIZE_DIGITS {
            return Err(ChunkFault);
        }
        self.left = self.left << 4 | hex_digit(byte).ok_or(ChunkFault)?;
        if self.left > MAX_LENGTH {
            return Err(ChunkFault);
        }
        Ok(Place::Size)
    }

    fn size_complete(&self) -> Place {
        if self.left == 0 {
            Place::TrailerStart
        } else {
            Place::Data
        }
    }

    fn trailer(&mut self, byte: u8, place: Place) -> Result<Place, ChunkFault> {
        if self.trailers.len() == MAX_TRAILER_BYTES {
            return Err(ChunkFault);
        }
        self.trailers.push(byte);
        Ok(place)
    }

    fn trailer_end(&mut self, byte: u8) -> Result<Place, ChunkFault> {
        self.trailer_count += 1;
        if self.trailer_count > MAX_TRAILERS {
            return Err(ChunkFault);
        }
        self.trailer(byte, Place::TrailerStart)
    }
}

/// Writes one non-empty piece of data as a chunk.
pub fn write_chunk(output: &mut Vec<u8>, data: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - data.len().leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        output.push(HEX[data.len() >> (digit * 4) & 0xf]);
    }
    output.extend_from_slice(b"\r\n");
    output.extend_from_slice(data);
    output.extend_from_slice(b"\r\n");
}

/// Ends a chunked body, with those fields of a trailer section that may pass.
pub fn write_end(output: &mut Vec<u8>, trailers: Trailers<'_>) {
    output.extend_from_slice(b"0\r\n");
    trailers::write(output, trailers);
    output.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8], piece: usize) -> Result<(Vec<u8>, usize, bool), ChunkFault> {
        let (mut reader, mut out, mut used) = (Chunked::default(), Vec::new(), 0);
        for part in input.chunks(piece) {
            used += reader.read(part, |data| out.extend_from_slice(data))?;
        }
        Ok((out, used, reader.is_done()))
    }

    #[test]
    fn legal_bodies_are_read_whole_and_byte_by_byte() {
        for (body, data) in [
            (&b"0\r\n\r\n"[..], &b""[..]),
            (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
            (b"5;a=b;c=\"d\"\r\nhello\r\n1\r\n!\r\n000\r\n\r\n", b"hello!"),
            (b"A\r\n0123456789\r\n0\r\nX-T: v\r\nY:\r\n\r\n", b"0123456789"),
            (b"5 ;a\r\nhello\r\n0\r\n\r\n", b"hello"),
            (b"5\t; a = b ;c;d=\"\\\";\x80\" ;e\r\nhello\r\n0;f\r\n\r\n", b"hello"),
        ] {
            for piece in [1, 2, 3, body.len()] {
                assert_eq!(
                    read(body, piece),
                    Ok((data.to_vec(), body.len(), true)),
                    "{:?}",
                    String::from_utf8_lossy(body)
                );
            }
        }
    }

    #[test]
    fn trailers_are_kept_and_written_again() {
        let body = b"1\r\na\r\n0\r\nX-Sum: 1\r\nContent-Length: 5\r\nb:\r\n\r\n";
        for piece in [1, 7, body.len()] {
            let mut reader = Chunked::default();
            for part in body.chunks(piece) {
                reader.read(part, |_| {}).unwrap();
            }
            assert_eq!(reader.trailers().section, b"X-Sum: 1\nContent-Length: 5\nb:\n");
            let mut end = Vec::new();
            write_end(&mut end, reader.trailers());
            assert_eq!(end, b"0\r\nX-Sum: 1\r\nb: \r\n\r\n");
        }
    }

    #[test]
    fn nothing_after_the_end_is_taken() {
        assert_eq!(read(b"0\r\n\r\nGET / HTTP/1.1\r\n", 100), Ok((vec![], 5, true)));
    }

    #[test]
    fn faults_are_found_at_every_split() {
        for body in [
            &b"\r\n"[..],
            b"g\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b" 1\r\n",
            b"0x1\r\n",
            b"1\n",
            b"1\r\r",
            b"1\r\nab",
            b"1\r\na\n0\r\n\r\n",
            b"1\r\na\rx",
            b"8000000000000000\r\n",
            b"ffffffffffffffff\r\n",
            b"11111111111111111\r\n",
            b"1;\x00\r\n",
            b"1;\n",
            b"1;\r\n",
            b"1; \r\n",
            b"1;a=\r\n",
            b"1;a \r\n",
            b"1;=b\r\n",
            b"1;a=\"b\r\n",
            b"1;a=\"b\\\r\n",
            b"1;a=\"b\"c\r\n",
            b"1;a=b\"\r\n",
            b"1;a=b c\r\n",
            b"1;a,b\r\n",
            b"1;a\rb\r\n",
            b"1;\x80\r\n",
            b"1 2\r\n",
            b"1 \r\n",
            b"0\r\nno colon\r\n\r\n",
            b"0\r\n: empty\r\n\r\n",
            b"0\r\n folded: x\r\n\r\n",
            b"0\r\nA: \x01\r\n\r\n",
            b"0\r\nA: b\n\r\n",
            b"0\r\n\n",
        ] {
            for piece in [1, body.len()] {
                assert_eq!(read(body, piece), Err(ChunkFault), "{:?}", String::from_utf8_lossy(body));
            }
        }
    }

    /// At the bound it passes, one beyond is a fault, wherever the body is cut.
    fn bounded(at: &[u8], beyond: &[u8]) {
        for piece in [1, 100, 1 << 20] {
            assert!(read(at, piece).is_ok_and(|(_, _, done)| done), "{piece}");
            assert_eq!(read(beyond, piece), Err(ChunkFault), "{piece}");
        }
    }

    #[test]
    fn extensions_are_bounded_over_the_whole_body() {
        let one =
            |length: usize| [b"1;".to_vec(), vec![b'x'; length], b"\r\na\r\n0\r\n\r\n".to_vec()].concat();
        bounded(&one(4095), &one(4096));
        let many = |chunks: usize| [b"1;abcdefg\r\na\r\n".repeat(chunks), b"0\r\n\r\n".to_vec()].concat();
        bounded(&many(512), &many(513));
    }

    #[test]
    fn trailers_are_bounded_in_bytes_and_in_number() {
        let long = |length: usize| [b"0\r\nA:".to_vec(), vec![b'x'; length], b"\r\n\r\n".to_vec()].concat();
        bounded(&long(8 * 1024 - 3), &long(8 * 1024 - 2));
        let many = |fields: usize| [b"0\r\n".to_vec(), b"a:b\r\n".repeat(fields), b"\r\n".to_vec()].concat();
        bounded(&many(32), &many(33));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for size in [1, 9, 15, 16, 255, 256, 70_000] {
            let data = vec![b'd'; size];
            let mut coded = Vec::new();
            write_chunk(&mut coded, &data);
            write_end(&mut coded, Trailers::default());
            assert_eq!(read(&coded, 7), Ok((data, coded.len(), true)));
        }
    }
}
