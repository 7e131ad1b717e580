//! The time of a line.

use crate::reply::civil_from_days;

const NANOS_PER_MILLI: u64 = 1_000_000;
const MILLIS_PER_DAY: u64 = 86_400_000;

/// A Unix time in nanoseconds as a JSON string: RFC 3339, UTC, with milliseconds.
pub(super) fn put_time(out: &mut Vec<u8>, wall: u64) {
    let millis = wall / NANOS_PER_MILLI;
    let (year, month, day) = civil_from_days(millis / MILLIS_PER_DAY);
    let second = millis % MILLIS_PER_DAY / 1_000;
    let mut text = *b"\"0000-00-00T00:00:00.000Z\"";
    put_digits(&mut text[1..5], year);
    put_digits(&mut text[6..8], month);
    put_digits(&mut text[9..11], day);
    put_digits(&mut text[12..14], second / 3600);
    put_digits(&mut text[15..17], second / 60 % 60);
    put_digits(&mut text[18..20], second % 60);
    put_digits(&mut text[21..24], millis % 1_000);
    out.extend_from_slice(&text);
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
    fn times_are_rfc_3339_with_milliseconds() {
        for (nanos, time) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (784_111_777_999_999_999, "1994-11-06T08:49:37.999Z"),
            (1_709_251_199_001_000_000, "2024-02-29T23:59:59.001Z"),
            (4_102_444_799_050_000_000, "2099-12-31T23:59:59.050Z"),
        ] {
            let mut out = Vec::new();
            put_time(&mut out, nanos);
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{time}\""));
        }
    }
}
