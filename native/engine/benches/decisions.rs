//! What the pure decisions cost, without Python and without shared memory: heads, rewriting, routing, token bucket.

#![allow(missing_docs, reason = "the macros of criterion write functions without")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark without an answer is none")]

use std::hint::black_box;
use std::net::IpAddr;

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use headgate_engine::address::Address;
use headgate_engine::compression::Change;
use headgate_engine::forwarding::Sender;
use headgate_engine::http1::framing::Framing;
use headgate_engine::http1::head::{find_end, slots, HeadLimits, Request, Response};
use headgate_engine::http1::path::Kept;
use headgate_engine::limit::{conforms, Gcra};
use headgate_engine::pattern::Pattern;
use headgate_engine::random::Random;
use headgate_engine::request_id::RequestId;
use headgate_engine::rewrite::{self, Client, Onward};
use headgate_engine::routing::{Arrival, Conditions, Named, RouteMatch, Table, Test};

const LIMITS: HeadLimits = HeadLimits { head: 32 * 1024, line: 8 * 1024, fields: 100, target: 8 * 1024 };
const REQUEST: &[u8] = b"GET /some/path?with=query HTTP/1.1\r\nHost: www.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.9\r\n\
    Accept-Encoding: gzip, deflate, br\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
    Cache-Control: no-cache\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\n\
    Referer: https://www.example.com/some/page\r\nConnection: keep-alive\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
    Content-Type: text/plain\r\nContent-Length: 64\r\nConnection: keep-alive\r\n\r\n";
const SECOND: u64 = 1_000_000_000;

/// The end is searched, the head parsed, judged and written anew.
fn heads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("head");
    group.throughput(Throughput::Bytes(REQUEST.len() as u64));
    let mut output = Vec::with_capacity(4096);
    group.bench_function("request, 12 fields: parse", |bencher| bencher.iter(|| parse(black_box(REQUEST))));
    group.bench_function("request, 12 fields: parse and rewrite", |bencher| {
        bencher.iter(|| rewrite_request(black_box(REQUEST), &mut output));
    });
    group.throughput(Throughput::Bytes(RESPONSE.len() as u64));
    group.bench_function("response, 5 fields: parse and rewrite", |bencher| {
        bencher.iter(|| rewrite_response(black_box(RESPONSE), &mut output));
    });
}

fn parse(bytes: &[u8]) -> usize {
    let end = find_end(bytes, 0, &LIMITS).unwrap().unwrap();
    let mut slots = slots();
    let request = Request::parse(&bytes[..end], &mut slots, &LIMITS, Kept::NONE).unwrap();
    assert_eq!(request.host, b"www.example.com");
    request.fields.iter().count()
}

fn rewrite_request(bytes: &[u8], output: &mut Vec<u8>) {
    output.clear();
    let end = find_end(bytes, 0, &LIMITS).unwrap().unwrap();
    let mut slots = slots();
    let request = Request::parse(&bytes[..end], &mut slots, &LIMITS, Kept::NONE).unwrap();
    let peer = Address::from(IpAddr::from([192, 0, 2, 1]));
    let sender = Sender { peer, client: peer, is_trusted: false };
    let client = Client { sender: &sender, scheme: b"http", request_id: RequestId::Kept(b"id") };
    rewrite::request(output, &request, client, None, false);
    assert!(output.len() > bytes.len());
}

fn rewrite_response(bytes: &[u8], output: &mut Vec<u8>) {
    output.clear();
    let end = find_end(bytes, 0, &LIMITS).unwrap().unwrap();
    let mut slots = slots();
    let response = Response::parse(&bytes[..end], &mut slots, &LIMITS).unwrap();
    let onward = Onward {
        framing: Framing::Length(64),
        keeps_length: false,
        close: false,
        confirm_keep_alive: false,
        quotas: &[],
        date: b"Thu, 01 Jan 1970 00:00:00 GMT",
        set_cookie: None,
        edits: None,
        change: Change::Nothing,
    };
    rewrite::response(output, &response, &onward);
    assert!(output.ends_with(b"\r\n\r\n"));
}

/// Among routes to 100 hosts, each by the prefix of a path.
fn routing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    for routes in [10, 10_000, 100_000] {
        let places: Vec<(String, String)> = (0..routes)
            .map(|number| (format!("{}.example.com", number % 100), format!("/{}/*", number / 100)))
            .collect();
        let matches: Vec<RouteMatch<'_>> = places
            .iter()
            .map(|(host, path)| RouteMatch { host: Some(host), path: Some(path), ..RouteMatch::default() })
            .collect();
        let table = Table::build(&matches).unwrap();
        let find = |path: &[u8]| table.find(b"7.example.com", path, b"GET", |_| false);
        assert_eq!((find(b"/0/a/path"), find(b"/none/a/path")), (Some(7), None));
        group.bench_function(BenchmarkId::new("found", routes), |bencher| {
            bencher.iter(|| find(black_box(b"/0/a/path")));
        });
        group.bench_function(BenchmarkId::new("not found", routes), |bencher| {
            bencher.iter(|| find(black_box(b"/none/a/path")));
        });
    }
}

/// Routes of one host and path, of which the last that is asked is plain.
fn conditions(criterion: &mut Criterion) {
    let named = |name: &str, test| Named { name: name.into(), test };
    let beta = Conditions { headers: [named("x-beta", Test::Present)].into(), ..Conditions::default() };
    let theme = Test::Exact(b"light".as_slice().into());
    let theme = Conditions { cookies: [named("theme", theme)].into(), ..Conditions::default() };
    let agent = Test::Pattern(Pattern::parse(".*(?i:mobile).*").unwrap());
    let agent = Conditions { headers: [named("user-agent", agent)].into(), ..Conditions::default() };
    let mut slots = slots();
    let request = Request::parse(REQUEST, &mut slots, &LIMITS, Kept::NONE).unwrap();
    let client = IpAddr::from([192, 0, 2, 1]);
    let arrival = Arrival { request: &request, client, is_trusted: false, listener: 0 };
    let mut group = criterion.benchmark_group("route by conditions");
    for (name, conditions) in
        [("none", None), ("field", Some(&beta)), ("cookie", Some(&theme)), ("pattern", Some(&agent))]
    {
        let asking = RouteMatch { conditions, ..RouteMatch::default() };
        let table = Table::build(&[asking, RouteMatch::default()]).unwrap();
        let find =
            || table.find(b"www.example.com", request.path(), b"GET", |it| it.are_met(black_box(&arrival)));
        assert_eq!(find(), Some(u32::from(conditions.is_some())));
        group.bench_function(name, |bencher| bencher.iter(find));
    }
}

/// The arithmetic of a bucket, and the random numbers that selection draws.
fn arithmetic(criterion: &mut Criterion) {
    let rate = Gcra::per(100, SECOND, 200);
    let full = conforms(0, 10 * SECOND, rate, 1);
    assert_eq!(full, Ok(10 * SECOND + rate.interval));
    criterion.bench_function("token bucket, the arithmetic alone", |bencher| {
        bencher.iter(|| conforms(black_box(9 * SECOND), black_box(10 * SECOND), rate, 1));
    });
    let mut random = Random::new(42);
    criterion.bench_function("a random number below 10,000", |bencher| {
        bencher.iter(|| random.below(black_box(10_000)));
    });
}

criterion_group!(benches, heads, routing, conditions, arithmetic);
criterion_main!(benches);
