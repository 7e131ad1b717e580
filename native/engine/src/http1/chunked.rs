//! The chunked transfer coding (RFC 9112 §7.1), read byte by byte without a buffer and written anew.
//!
//! Extensions are checked and dropped, trailers are kept for the end. A size line or trailer section that never ends is
//! a fault.

use super::syntax::hex_digit;
use super::trailers;

/// Bytes of chunk extensions in one message: they carry nothing, so only a sender who wants to hurt needs more.
const MAX_EXTENSION_BYTES: u32 = 4 * 1024;
/// Bytes of the trailer section, as a head's single line.
const MAX_TRAILER_BYTES: usize = 8 * 1024;
/// Hexadecimal digits of a size that fit 64 bits.
const MAX_SIZE_DIGITS: u8 = 16;

/// Where the reader stands. What has been counted so far is in [`Chunked`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first digit of a size.
    SizeStart,
    /// Within a size, after its first digit.
    Size,
    /// White space after a size: only an extension may follow.
    SizeSpace,
    /// Within an extension.
    Extension,
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
    trailers: Vec<u8>,
}

impl Default for Chunked {
    fn default() -> Self {
        Self { place: Place::SizeStart, left: 0, digits: 0, extension_bytes: 0, trailers: Vec::new() }
    }
}

impl Chunked {
    /// Has the final empty line been read?
    pub fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// The trailer section: a line for every field, its name and value as they came, an LF behind each.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
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
            (Place::Size | Place::Extension, b'\r') => Ok(Place::SizeLf),
            (Place::Size | Place::SizeSpace, b' ' | b'\t') => self.extension().map(|_| Place::SizeSpace),
            (Place::Size | Place::SizeSpace, b';') | (Place::Extension, b'\t' | b' '..=b'~' | 0x80..) => {
                self.extension()
            }
            (Place::SizeLf, b'\n') => Ok(self.size_complete()),
            (Place::DataCr, b'\r') => Ok(Place::DataLf),
            (Place::DataLf, b'\n') => Ok(Place::SizeStart),
            (Place::TrailerStart, b'\r') => Ok(Place::FinalLf),
            (Place::TrailerStart | Place::TrailerName, _) if super::syntax::is_token(&[byte]) => {
                self.trailer(byte, Place::TrailerName)
            }
            (Place::TrailerValue, b'\r') => Ok(Place::TrailerLf),
            (Place::TrailerName, b':') | (Place::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => {
                self.trailer(byte, Place::TrailerValue)
            }
            (Place::TrailerLf, b'\n') => self.trailer(byte, Place::TrailerStart),
            (Place::FinalLf, b'\n') => Ok(Place::Done),
            _ => Err(ChunkFault),
        }
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
        Ok(Place::Size)
    }

    fn size_complete(&self) -> Place {
        if self.left == 0 {
            Place::TrailerStart
        } else {
            Place::Data
        }
    }

    fn extension(&mut self) -> Result<Place, ChunkFault> {
        self.extension_bytes += 1;
        if self.extension_bytes > MAX_EXTENSION_BYTES {
            return Err(ChunkFault);
        }
        Ok(Place::Extension)
    }

    fn trailer(&mut self, byte: u8, place: Place) -> Result<Place, ChunkFault> {
        if self.trailers.len() == MAX_TRAILER_BYTES {
            return Err(ChunkFault);
        }
        self.trailers.push(byte);
        Ok(place)
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
pub fn write_end(output: &mut Vec<u8>, section: &[u8]) {
    output.extend_from_slice(b"0\r\n");
    trailers::write(output, section);
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
            assert_eq!(reader.trailers(), b"X-Sum: 1\nContent-Length: 5\nb:\n");
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
            b"11111111111111111\r\n",
            b"1;\x00\r\n",
            b"1;\n",
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

    #[test]
    fn endless_extensions_and_trailers_are_faults() {
        let extension = [b"1;".to_vec(), vec![b'x'; 5000]].concat();
        assert_eq!(read(&extension, 100), Err(ChunkFault));
        let trailer = [b"0\r\nA:".to_vec(), vec![b'x'; 9000]].concat();
        assert_eq!(read(&trailer, 100), Err(ChunkFault));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for size in [1, 9, 15, 16, 255, 256, 70_000] {
            let data = vec![b'd'; size];
            let mut coded = Vec::new();
            write_chunk(&mut coded, &data);
            write_end(&mut coded, b"");
            assert_eq!(read(&coded, 7), Ok((data, coded.len(), true)));
        }
    }
}
