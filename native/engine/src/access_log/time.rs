//! The time of a line.

use crate::reply::civil_from_days;

const NANOS_PER_MILLI: u64 = 1_000_000;
const MILLIS_PER_SECOND: u64 = 1_000;
const SECONDS_PER_DAY: u64 = 86_400;

/// Writes Unix times as strings of JSON: RFC 3339, UTC, with milliseconds. Everything but those is written once a second.
#[derive(Debug)]
pub(super) struct Clock {
    second: u64,
    text: [u8; 26],
}

impl Default for Clock {
    fn default() -> Self {
        Self { second: 0, text: *b"\"1970-01-01T00:00:00.000Z\"" }
    }
}

impl Clock {
    /// The time `wall`, in nanoseconds.
    #[inline]
    pub(super) fn text(&mut self, wall: u64) -> &[u8; 26] {
        let millis = wall / NANOS_PER_MILLI;
        let second = millis / MILLIS_PER_SECOND;
        if second != self.second {
            self.turn(second);
        }
        put_digits(&mut self.text[21..24], millis % MILLIS_PER_SECOND);
        &self.text
    }

    #[cold]
    fn turn(&mut self, second: u64) {
        self.second = second;
        let (year, month, day) = civil_from_days(second / SECONDS_PER_DAY);
        let text = &mut self.text;
        put_digits(&mut text[1..5], year);
        put_digits(&mut text[6..8], month);
        put_digits(&mut text[9..11], day);
        put_digits(&mut text[12..14], second / 3600 % 24);
        put_digits(&mut text[15..17], second / 60 % 60);
        put_digits(&mut text[18..20], second % 60);
    }
}

fn put_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_with_milliseconds_in_whatever_order_they_come() {
        let mut clock = Clock::default();
        for (nanos, time) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (784_111_777_999_999_999, "1994-11-06T08:49:37.999Z"),
            (784_111_778_000_000_000, "1994-11-06T08:49:38.000Z"),
            (784_111_778_020_999_999, "1994-11-06T08:49:38.020Z"),
            (1_709_251_199_001_000_000, "2024-02-29T23:59:59.001Z"),
            (784_111_777_123_000_000, "1994-11-06T08:49:37.123Z"),
            (4_102_444_799_050_000_000, "2099-12-31T23:59:59.050Z"),
        ] {
            assert_eq!(clock.text(nanos), format!("\"{time}\"").as_bytes());
        }
    }
}
