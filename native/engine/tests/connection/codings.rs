//! Compressed answers beside plain ones: whatever a client accepts, and whatever an instance answers, they are the same answer.

use std::sync::{Arc, LazyLock};

use headgate_engine::compression::Coding;
use headgate_engine::snapshot::Snapshot;
use serde_json::json;

use super::pieces::{exchange, whole, End};
use super::reference::Message;
use super::rules::cut;
use super::shell::{document, Outcome};

#[path = "../../src/compression/decoding.rs"]
mod decoding;

const TEXT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nsome text";

/// The same route without compression, and with each of these offers.
static PLAIN: LazyLock<Arc<Snapshot>> = LazyLock::new(|| compiled(&[]));
static OFFERING: LazyLock<[(Offer, Arc<Snapshot>); 2]> =
    LazyLock::new(|| [&["zstd", "gzip"][..], &["gzip"]].map(|offer| (offer, compiled(offer))));

/// Names of codings, the preferred one first.
type Offer = &'static [&'static str];

/// Lines of `Accept-Encoding`, an empty line, the bytes of an answer. The client gets a coding just when it says that it wants it, by a
/// slow reading of RFC 9110 §12.5.3, and what it decodes is what it would have got otherwise.
pub(crate) fn coding(bytes: &[u8]) {
    let (accepted, answer) = cut(bytes, b"\n\n");
    let lines: Vec<_> = accepted.split(|&byte| byte == b'\n').collect();
    let fields = lines.iter().flat_map(|line| [b"Accept-Encoding: ", *line, b"\r\n"].concat());
    let request: Vec<_> =
        b"GET / HTTP/1.1\r\nHost: a\r\n".iter().copied().chain(fields).chain(*b"\r\n").collect();
    if exchange(&PLAIN, &request, &[TEXT], End::Open).0.is_none() {
        return;
    }
    let halves = <[_; 2]>::from(answer.split_at(answer.len() / 2));
    let answers: [(&[&[u8]], End); 4] =
        [(&[TEXT], End::Open), (&[answer], End::Fin), (&[answer], End::Reset), (&halves, End::Fin)];
    for (pieces, end) in answers {
        let (_, plain) = exchange(&PLAIN, &request, pieces, end);
        for (offer, snapshot) in &*OFFERING {
            let (_, found) = exchange(snapshot, &request, pieces, end);
            let (coding, wanted) = (compared(plain.as_ref(), found.as_ref()), negotiated(&lines, offer));
            assert!(coding.is_none() || coding == wanted, "{coding:?}, not {wanted:?}");
            assert!(pieces != [TEXT] || coding == wanted, "{coding:?}, not {wanted:?}");
        }
    }
}

fn compiled(offer: &[&str]) -> Arc<Snapshot> {
    let mut document = document();
    if !offer.is_empty() {
        let codings: Vec<_> = offer.iter().map(|coding| json!({"coding": coding, "level": 1})).collect();
        document["routes"][0]["compression"] =
            json!({"codings": codings, "types": ["text/*"], "min_length": 5, "with_credentials": true});
    }
    Snapshot::compile(document.to_string().as_bytes()).unwrap().into()
}

/// Compares an answer with the one that is not compressed; the coding that it is in beyond that.
fn compared(plain: Option<&Outcome>, found: Option<&Outcome>) -> Option<&'static str> {
    let (Some((found, interim)), Some((plain, plain_interim))) = (whole(found), whole(plain)) else {
        assert_eq!(whole(found), whole(plain), "whole to one of them only");
        return None;
    };
    assert_eq!((interim, &found.line), (plain_interim, &plain.line));
    let codings = found.values("content-encoding");
    if codings == plain.values("content-encoding") {
        assert_eq!((untold(found), &found.body), (untold(plain), &plain.body));
        return None;
    }
    assert!(plain.values("content-encoding").is_empty(), "a coding upon a coding");
    let coding = Coding::ALL.into_iter().find(|coding| codings == [coding.name()]).expect("one known coding");
    let (body, is_complete) = decoding::decode(coding, &found.body);
    assert_eq!((body, is_complete), (plain.body.clone(), true));
    let vary = found.values("vary").join(",").to_ascii_lowercase();
    assert!(vary.split(',').any(|it| matches!(it.trim(), "*" | "accept-encoding")), "{vary:?}");
    assert!(found.values("etag").iter().all(|tag| tag.starts_with("W/\"")), "{found:?}");
    Some(coding.name())
}

/// The sorted fields of an answer, but for what tells that others get it in a coding. The confirmation of an answer that its client would
/// get in one tells no length; its tag is its own, since no request here names a weak one.
fn untold(answer: &Message) -> Vec<(&str, &str)> {
    let confirms = answer.status() == 304;
    let told = |(name, _): &(String, String)| match name.as_str() {
        "vary" => false,
        "content-length" => !confirms,
        _ => true,
    };
    let fields = answer.fields.iter().filter(|field| told(field));
    let mut said: Vec<_> = fields.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    said.sort_unstable();
    said
}

/// The offered coding that the client likes best, of equals the first; none where it likes the plain form better.
fn negotiated(lines: &[&[u8]], offer: Offer) -> Option<&'static str> {
    let text =
        lines.iter().map(|line| String::from_utf8_lossy(line).to_ascii_lowercase()).collect::<Vec<_>>();
    let entries: Vec<(String, f64)> = text.join(",").split(',').filter_map(entry).collect();
    let of = |name: &str| entries.iter().find(|(known, _)| known == name).map(|(_, quality)| *quality);
    let mut best = (None, 0.0);
    for &name in offer {
        let first = |(known, _): &&(String, f64)| known == name || name == "gzip" && known == "x-gzip";
        let own = entries.iter().find(first).map(|(_, quality)| *quality);
        let quality = own.or(of("*")).unwrap_or(0.0);
        if quality > best.1 {
            best = (Some(name), quality);
        }
    }
    best.0.filter(|_| of("identity").is_none_or(|plain| plain <= best.1))
}

/// A name in lower case and its quality; what is written as one and is none counts as 0.
fn entry(element: &str) -> Option<(String, f64)> {
    let blank = [' ', '\t'];
    let mut parts = element.split(';').map(|part| part.trim_matches(blank));
    let name = parts.next().filter(|name| !name.is_empty())?;
    let quality = parts.find_map(|parameter| parameter.strip_prefix("q=")).map_or(1.0, |quality| {
        let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
        let digits = fraction.len() <= 3 && fraction.bytes().all(|digit| digit.is_ascii_digit());
        let is_one = whole == "1" && fraction.bytes().all(|digit| digit == b'0');
        if digits && (whole == "0" || is_one) {
            quality.parse().unwrap()
        } else {
            0.0
        }
    });
    Some((name.to_string(), quality))
}
