//! Which coding a client would rather have (RFC 9110 §12.5.3).

use super::{Coding, Grade};
use crate::http1::accept::qualified;
use crate::http1::syntax::list;

/// What `Accept-Encoding` comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The coding to use; `None` where the client would rather have none of those that there are.
    pub grade: Option<Grade>,
    /// The client wants no answer that is in no coding.
    pub refuses_identity: bool,
}

/// Reads the `Accept-Encoding` fields of a request, which are one list.
///
/// A request without the field accepts every coding by the letter, and means none: its client may not know that there are
/// any. Of an entry that stands twice the first counts.
pub(super) struct Reader<'a> {
    offered: &'a [Grade],
    /// Qualities in thousandths.
    of_codings: [Option<u32>; Coding::ALL.len()],
    of_identity: Option<u32>,
    of_others: Option<u32>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(offered: &'a [Grade]) -> Self {
        Self { offered, of_codings: [None; Coding::ALL.len()], of_identity: None, of_others: None }
    }

    /// One field.
    pub(super) fn read(&mut self, value: &[u8]) {
        for element in list(value) {
            let (name, quality) = qualified(element);
            let noted = if name == b"*" {
                &mut self.of_others
            } else if name.eq_ignore_ascii_case(b"identity") {
                &mut self.of_identity
            } else if let Some(coding) = Coding::named(name) {
                &mut self.of_codings[coding as usize]
            } else {
                continue;
            };
            noted.get_or_insert(quality);
        }
    }

    /// The coding that the client likes best: of those that it likes alike the one that is offered first, and any of them
    /// before none at all, unless it says that it likes that better.
    pub(super) fn accepted(&self) -> Accepted {
        let (mut grade, mut best) = (None, 0);
        for &offered in self.offered {
            let quality = self.of_codings[offered.coding as usize].or(self.of_others).unwrap_or(0);
            if quality > best {
                (grade, best) = (Some(offered), quality);
            }
        }
        Accepted {
            grade: grade.filter(|_| self.of_identity.is_none_or(|identity| identity <= best)),
            refuses_identity: self.of_identity.or(self.of_others) == Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZSTD: Grade = Grade { coding: Coding::Zstd, level: 3 };
    const GZIP: Grade = Grade { coding: Coding::Gzip, level: 4 };

    fn read(offered: &[Grade], fields: &[&str]) -> Accepted {
        let mut reader = Reader::new(offered);
        for field in fields {
            reader.read(field.as_bytes());
        }
        reader.accepted()
    }

    #[test]
    fn the_best_liked_coding_is_taken_and_of_equals_the_first_offered() {
        for (fields, expected) in [
            (&[][..], None),
            (&[""], None),
            (&["gzip"], Some(GZIP)),
            (&["GZip"], Some(GZIP)),
            (&["x-gzip"], Some(GZIP)),
            (&["zstd"], Some(ZSTD)),
            (&["gzip, deflate, br, zstd"], Some(ZSTD)),
            (&["gzip", "zstd"], Some(ZSTD)),
            (&["gzip;q=1.0, zstd;q=0.999"], Some(GZIP)),
            (&["zstd ; Q=0.5 , gzip ; q=0.6"], Some(GZIP)),
            (&["br, deflate, compress"], None),
            (&["gzip;q=0"], None),
            (&["gzip;q=0.000, zstd;q=0.001"], Some(ZSTD)),
            (&["*"], Some(ZSTD)),
            (&["*;q=0.1"], Some(ZSTD)),
            (&["zstd;q=0, *"], Some(GZIP)),
            (&["gzip, *;q=0"], Some(GZIP)),
            (&["*;q=0"], None),
            (&["identity"], None),
            (&["identity, gzip"], Some(GZIP)),
            (&["identity;q=1, gzip;q=0.9"], None),
            (&["identity;q=0.5, *;q=0.4"], None),
            (&["identity;q=0, gzip;q=0.1"], Some(GZIP)),
            (&["gzip;q=0, gzip"], None),
            (&["gzip;q=2"], None),
            (&["gzip;q=1.000"], Some(GZIP)),
            (&["gzip;q=1.5"], None),
            (&["gzip;q=x"], None),
            (&["gzip;q="], None),
            (&["gzip;level=9"], Some(GZIP)),
            (&["gzipped, xzstd"], None),
            (&[",,gzip,,"], Some(GZIP)),
        ] {
            assert_eq!(read(&[ZSTD, GZIP], fields).grade, expected, "{fields:?}");
        }
        assert_eq!(read(&[GZIP, ZSTD], &["gzip, zstd"]).grade, Some(GZIP));
        assert_eq!(read(&[GZIP], &["zstd, gzip;q=0.1"]).grade, Some(GZIP));
        assert_eq!(read(&[], &["*"]).grade, None);
    }

    #[test]
    fn who_refuses_what_is_in_no_coding_says_so() {
        for field in ["identity;q=0", "gzip, identity;q=0.000", "*;q=0", "gzip, *;q=0"] {
            assert!(read(&[GZIP], &[field]).refuses_identity, "{field}");
        }
        for field in ["", "gzip", "identity", "*;q=0, identity;q=0.1", "gzip;q=0"] {
            assert!(!read(&[GZIP], &[field]).refuses_identity, "{field}");
        }
    }
}
