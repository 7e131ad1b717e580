//! The field names that a gateway must know, and which of them end at this hop.

/// A field name that means something to the gateway; every other one is [`Field::Other`] and passed on as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `Connection`: names the fields that end at this hop (RFC 9110 §7.6.1).
    Connection,
    /// `Content-Length` (RFC 9110 §8.6).
    ContentLength,
    /// `Date` (RFC 9110 §6.6.1).
    Date,
    /// `Expect` (RFC 9110 §10.1.1).
    Expect,
    /// `Host` (RFC 9110 §7.2).
    Host,
    /// A field that ends at this hop whether `Connection` names it or not (RFC 9110 §7.6.1), or that clients must
    /// not be able to hand to an instance (`Proxy`: the "httpoxy" attack).
    HopByHop,
    /// A field by which a proxy tells an instance about the client; inbound ones are never believed.
    Forwarded,
    /// `X-Request-Id`: the identity of a request.
    RequestId,
    /// `TE`: what the sender understands of transfer codings, trailers among it (RFC 9110 §10.1.4).
    Te,
    /// `Trailer`: names the fields to expect behind a chunked body (RFC 9110 §6.6.2).
    Trailer,
    /// `Transfer-Encoding` (RFC 9112 §6.1).
    TransferEncoding,
    /// `Upgrade`: the protocols that the connection may be handed over to (RFC 9110 §7.8).
    Upgrade,
    /// Any other name.
    Other,
}

/// Classifies a field name, in any case of letters.
pub fn classify(name: &[u8]) -> Field {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    match name.len() {
        2 if is(b"te") => Field::Te,
        4 if is(b"host") => Field::Host,
        4 if is(b"date") => Field::Date,
        5 if is(b"proxy") => Field::HopByHop,
        6 if is(b"expect") => Field::Expect,
        7 if is(b"upgrade") => Field::Upgrade,
        7 if is(b"trailer") => Field::Trailer,
        9 if is(b"forwarded") => Field::Forwarded,
        10 if is(b"connection") => Field::Connection,
        10 if is(b"keep-alive") => Field::HopByHop,
        12 if is(b"x-request-id") => Field::RequestId,
        14 if is(b"content-length") => Field::ContentLength,
        15 if is(b"x-forwarded-for") => Field::Forwarded,
        16 if is(b"proxy-connection") => Field::HopByHop,
        16 if is(b"x-forwarded-host") || is(b"x-forwarded-port") => Field::Forwarded,
        17 if is(b"transfer-encoding") => Field::TransferEncoding,
        17 if is(b"x-forwarded-proto") => Field::Forwarded,
        18 if is(b"proxy-authenticate") => Field::HopByHop,
        19 if is(b"proxy-authorization") => Field::HopByHop,
        _ => Field::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case() {
        assert_eq!(classify(b"cOnTeNt-LeNgTh"), Field::ContentLength);
        assert_eq!(classify(b"TRANSFER-ENCODING"), Field::TransferEncoding);
        assert_eq!(classify(b"te"), Field::Te);
        assert_eq!(classify(b"X-Forwarded-For"), Field::Forwarded);
        assert_eq!(classify(b"X-Request-ID"), Field::RequestId);
    }

    #[test]
    fn a_name_that_only_resembles_a_known_one_is_another() {
        for name in
            [&b"content_length"[..], b"content-lengt", b"hostt", b"connectiom", b"x-forwarded-fot", b""]
        {
            assert_eq!(classify(name), Field::Other);
        }
    }
}
