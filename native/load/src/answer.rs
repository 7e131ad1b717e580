//! When an answer has arrived completely: a head that says 200, and a body of the size that all of them have.

const OK: &[u8] = b"HTTP/1.1 200";
const HEAD_END: &[u8] = b"\r\n\r\n";
const SHOWN: usize = 100;

/// What has come of one answer.
#[derive(Default)]
pub(crate) struct Answer {
    /// Until it is whole.
    head: Vec<u8>,
    /// Bytes that are to come, once the head is whole.
    missing: Option<usize>,
}

impl Answer {
    /// Takes what has come; is the answer whole, so that the next one may begin? The error is for the reader of a report: any other
    /// answer voids the measurement.
    pub(crate) fn take(&mut self, data: &[u8], body: usize) -> Result<bool, String> {
        let missing = if let Some(missing) = self.missing {
            missing.checked_sub(data.len())
        } else {
            self.head.extend_from_slice(data);
            self.require_success()?;
            let Some(end) = self.head.windows(HEAD_END.len()).position(|window| window == HEAD_END) else {
                return Ok(false);
            };
            (end + HEAD_END.len() + body).checked_sub(self.head.len())
        };
        let missing = missing.ok_or("an answer is too long")?;
        let whole = missing == 0;
        self.missing = (!whole).then_some(missing);
        if whole {
            self.head.clear();
        }
        Ok(whole)
    }

    fn require_success(&self) -> Result<(), String> {
        let compared = self.head.len().min(OK.len());
        if self.head[..compared] == OK[..compared] {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(&self.head[..self.head.len().min(SHOWN)]);
        Err(format!("a request was answered with {shown:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";

    #[test]
    fn an_answer_is_whole_with_its_last_byte_however_it_is_cut() {
        for first in 1..WHOLE.len() {
            let mut answer = Answer::default();
            assert_eq!(answer.take(&WHOLE[..first], 4), Ok(false), "{first}");
            for byte in first..WHOLE.len() {
                assert_eq!(answer.take(&WHOLE[byte..=byte], 4), Ok(byte + 1 == WHOLE.len()));
            }
            assert_eq!(answer.take(WHOLE, 4), Ok(true), "the next one");
        }
    }

    #[test]
    fn any_other_answer_is_an_error_as_soon_as_it_can_be_told() {
        let wrong: [&[u8]; 3] = [b"HTTP/1.1 429 Too Many Requests\r\n", b"HTTP/1.1 5", b"x"];
        for data in wrong {
            assert!(Answer::default().take(data, 4).unwrap_err().contains("answered with"));
        }
        let longer = [WHOLE, b"HTTP"].concat();
        assert!(Answer::default().take(&longer, 4).unwrap_err().contains("too long"));
        let mut answer = Answer::default();
        assert_eq!(answer.take(&WHOLE[..WHOLE.len() - 1], 4), Ok(false));
        assert!(answer.take(b"yH", 4).unwrap_err().contains("too long"));
    }
}
