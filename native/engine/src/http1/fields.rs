//! The field names that a gateway must know, and which of them end at this hop.

/// A field name that means something to the gateway; every other one is [`Field::Other`] and passed on as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `Accept`: which form an answer should have (RFC 9110 §12.5.1).
    Accept,
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
    /// not be able to hand to an instance (`Proxy`: the "httpoxy" attack; `X-Original-URL` and `X-Rewrite-URL`: some
    /// frameworks serve that path instead of the one that was routed).
    HopByHop,
    /// A field by which a proxy tells an instance about the client; inbound ones are never believed.
    Forwarded,
    /// A name that the gateway knows, with an underscore where that has a dash. Instances that hand fields on as
    /// variables (CGI, WSGI, PHP) cannot tell the two apart, so it never passes.
    Imitation,
    /// `Max-Forwards`: how many more hops an OPTIONS or TRACE may take (RFC 9110 §7.6.2).
    MaxForwards,
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
    /// `Via`: the proxies on the way (RFC 9110 §7.6.3).
    Via,
    /// Any other name.
    Other,
}

/// What every name begins with by which proxies tell of the client, whichever they invent.
const FORWARDED: &[u8] = b"x-forwarded-";

/// Classifies a field name, in any case of letters and with an underscore for any dash.
pub fn classify(name: &[u8]) -> Field {
    let is = |known: &[u8]| begins_as(name, known);
    let field = match name.len() {
        2 if is(b"te") => Field::Te,
        3 if is(b"via") => Field::Via,
        4 if is(b"host") => Field::Host,
        4 if is(b"date") => Field::Date,
        5 if is(b"proxy") => Field::HopByHop,
        6 if is(b"accept") => Field::Accept,
        6 if is(b"expect") => Field::Expect,
        7 if is(b"upgrade") => Field::Upgrade,
        7 if is(b"trailer") => Field::Trailer,
        9 if is(b"forwarded") || is(b"x-real-ip") => Field::Forwarded,
        10 if is(b"connection") => Field::Connection,
        10 if is(b"keep-alive") => Field::HopByHop,
        12 if is(b"x-request-id") => Field::RequestId,
        12 if is(b"max-forwards") => Field::MaxForwards,
        13 if is(b"x-rewrite-url") => Field::HopByHop,
        14 if is(b"content-length") => Field::ContentLength,
        14 if is(b"true-client-ip") => Field::Forwarded,
        14 if is(b"x-original-url") => Field::HopByHop,
        16 if is(b"proxy-connection") => Field::HopByHop,
        17 if is(b"transfer-encoding") => Field::TransferEncoding,
        18 if is(b"proxy-authenticate") => Field::HopByHop,
        19 if is(b"proxy-authorization") => Field::HopByHop,
        13.. if is(FORWARDED) => Field::Forwarded,
        _ => return Field::Other,
    };
    // Names are short: a search that is made for long ones takes longer to begin than this.
    if name.contains(&b'_') {
        return Field::Imitation;
    }
    field
}

/// A name in lower case and with a dash for every underscore, as [`is_spelled`] compares it.
pub(crate) fn fold(name: &[u8]) -> Box<[u8]> {
    name.iter().map(|&byte| LOWER_WITH_DASHES[usize::from(byte)]).collect()
}

/// Are two names the same but for case and underscores? `known` is [`fold`]ed.
pub(crate) fn is_spelled(name: &[u8], known: &[u8]) -> bool {
    name.len() == known.len() && begins_as(name, known)
}

/// Are the two the same as far as both go, but for case and underscores of `name`?
fn begins_as(name: &[u8], known: &[u8]) -> bool {
    name.iter().zip(known).all(|(&byte, &known)| LOWER_WITH_DASHES[usize::from(byte)] == known)
}

const LOWER_WITH_DASHES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = if byte as u8 == b'_' { b'-' } else { (byte as u8).to_ascii_lowercase() };
        byte += 1;
    }
    table
};

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
    fn every_name_about_forwarding_is_known() {
        for name in [
            "X-Forwarded-For",
            "X-Forwarded-Prefix",
            "x-forwarded-x",
            "X-Real-IP",
            "True-Client-IP",
            "Forwarded",
        ] {
            assert_eq!(classify(name.as_bytes()), Field::Forwarded, "{name}");
        }
    }

    #[test]
    fn an_underscore_for_a_dash_is_an_imitation() {
        for name in [
            "content_length",
            "Transfer_Encoding",
            "X_Forwarded-For",
            "x_forwarded_anything",
            "X_Real_IP",
            "Keep_Alive",
            "X-Request_Id",
            "Proxy_Authorization",
            "MAX_FORWARDS",
            "X_ORIGINAL_URL",
            "true_client_ip",
        ] {
            assert_eq!(classify(name.as_bytes()), Field::Imitation, "{name}");
        }
    }

    #[test]
    fn a_name_that_only_resembles_a_known_one_is_another() {
        for name in [
            &b"content_lengt"[..],
            b"content-lengt",
            b"hostt",
            b"connectiom",
            b"x-forwarde-for",
            b"x-forwarded-",
            b"x-forwardes-for",
            b"my_field",
            b"",
        ] {
            assert_eq!(classify(name), Field::Other, "{:?}", String::from_utf8_lossy(name));
        }
    }
}
