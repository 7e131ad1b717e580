//! Random lives of a connection. The shell around it checks every verdict: no request is sent twice that must not be,
//! every byte for instances and clients reads strictly, reservations are given back and requests counted exactly once.

use proptest::prelude::*;
use proptest::sample::select;

use super::shell::{Client, Shell};

/// What clients send; some of it is wrong.
const REQUESTS: [&str; 18] = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X\r\nX: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n",
    "\r\nDELETE / HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nTE: trailers\r\nProxy: x\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: elsewhere\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n3\r\nyou\r\n0\r\nT: v\r\nHost: x\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 401\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\nearly",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nab",
];

/// What instances send; some of it is wrong.
const RESPONSES: [&str; 16] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\nT: v\r\nHost: x\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nuntil the close",
    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokk\r\n0\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nearly",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "nonsense\r\n\r\n",
];

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    /// So many bytes come from the client.
    Client(usize),
    /// The instance has one more response to send.
    Answer(Vec<u8>),
    /// So many bytes come from the instance.
    Instance(usize),
    Connected,
    ConnectFailed,
    Lost(bool),
    Stalled(bool),
    Flowing,
    /// The deadline comes; who was stalled has taken so many bytes.
    Expired(u64),
    TryAgain,
    Passed(u64),
    ClientEof,
    /// A slot becomes healthy or not.
    Health(u32, bool),
    /// A slot has a cap or not.
    Cap(u32, u32),
    Drain,
    TakeUp,
}

/// A text, now and then with one byte changed.
fn damaged(texts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    (select(texts), prop::option::weighted(0.1, (any::<prop::sample::Index>(), any::<u8>()))).prop_map(
        |(text, change)| {
            let mut bytes = text.as_bytes().to_vec();
            if let Some((index, byte)) = change {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    )
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![1..4_usize, 1..40_usize, Just(1_000)]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => length().prop_map(Event::Client),
        12 => damaged(&RESPONSES).prop_map(Event::Answer),
        20 => length().prop_map(Event::Instance),
        12 => Just(Event::Connected),
        3 => Just(Event::ConnectFailed),
        3 => any::<bool>().prop_map(Event::Lost),
        2 => any::<bool>().prop_map(Event::Stalled),
        2 => Just(Event::Flowing),
        1 => (0..2_u64).prop_map(|taken| Event::Expired(taken * 5)),
        6 => Just(Event::TryAgain),
        2 => (0..5_000_000_u64).prop_map(Event::Passed),
        1 => Just(Event::ClientEof),
        1 => (0..3_u32, any::<bool>()).prop_map(|(slot, healthy)| Event::Health(slot, healthy)),
        1 => (0..3_u32, 0..7_u32).prop_map(|(slot, cap)| Event::Cap(slot, cap)),
        1 => Just(Event::Drain),
        8 => Just(Event::TakeUp),
    ]
}

/// Both peers' bytes that are still to come.
struct Peers {
    client: Vec<u8>,
    instance: Vec<u8>,
}

fn take(bytes: &mut Vec<u8>, length: usize) -> Vec<u8> {
    bytes.drain(..length.min(bytes.len())).collect()
}

fn happen(shell: &mut Shell, peers: &mut Peers, event: Event) {
    match event {
        Event::Client(length) => shell.receive(&take(&mut peers.client, length)),
        Event::Answer(bytes) => peers.instance.extend(bytes),
        Event::Instance(length) if shell.upstream.as_ref().is_some_and(|upstream| upstream.connected) => {
            let bytes = take(&mut peers.instance, length);
            if !bytes.is_empty() {
                shell.respond(&bytes);
            }
        }
        Event::Instance(_) => {}
        Event::Connected => shell.connected(),
        Event::TryAgain => shell.try_again(),
        Event::ConnectFailed => shell.connect_failed(),
        Event::Lost(clean) => shell.lost(clean),
        Event::Stalled(client) => shell.stalled(client),
        Event::Flowing => shell.flowing(),
        Event::Expired(taken) => shell.expire(taken),
        Event::Passed(nanos) => shell.now += nanos,
        Event::ClientEof => shell.client_eof(),
        Event::Health(slot, healthy) => {
            shell.worker.state.set_health(slot, healthy);
            shell.worker.state.publish(0);
        }
        Event::Cap(slot, cap) => shell.worker.state.set_cap(slot, cap),
        Event::Drain => shell.worker.draining = true,
        Event::TakeUp => shell.take_up(),
    }
}

/// `few` cases, fifty times as many for the proof. A case that fails is kept as a row, not as a file.
fn cases(few: u32) -> ProptestConfig {
    let proof = std::env::var("HEADGATE_PROOF").is_ok_and(|value| value == "1");
    let cases = if proof { 50 * few } else { few };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(1_000))]

    /// Whatever happens in whatever order, every verdict is one that the shell may be given, and at the end nothing
    /// is held and everything is counted once.
    #[test]
    fn every_life_is_legal(
        requests in prop::collection::vec(damaged(&REQUESTS), 1..8),
        events in prop::collection::vec(event(), 1..80),
    ) {
        let mut shell = Shell::new();
        let mut peers = Peers { client: requests.concat(), instance: vec![] };
        for event in events {
            happen(&mut shell, &mut peers, event);
            if matches!(shell.client, Client::Gone | Client::Switched) {
                break;
            }
        }
        shell.close();
    }

}

/// A pipelined request whose body the client's FIN has cut off is counted once, although it goes to no instance.
#[test]
fn a_request_that_a_fin_cuts_off() {
    let mut shell = Shell::new();
    shell.receive(
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe",
    );
    shell.client_eof();
    shell.connected();
    shell.respond(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    shell.take_up();
    assert_eq!(shell.client, Client::Gone);
    shell.close();
}

proptest! {
    #![proptest_config(cases(200))]

    /// A good client and good instances: however both sides' bytes are cut and interleaved, every request is answered
    /// in its order, with its own answer.
    #[test]
    fn every_request_gets_its_own_answer(
        lengths in prop::collection::vec((length(), length()), 1..200),
        methods in prop::collection::vec(select(&["GET", "HEAD", "POST"][..]), 1..8),
    ) {
        let client: Vec<u8> = (0..).zip(&methods).flat_map(|(number, method)| request(method, number)).collect();
        let mut shell = Shell::new();
        let mut peers = Peers { client, instance: vec![] };
        let mut answered = 0;
        let rest = std::iter::repeat_n((1_000, 1_000), 4 * methods.len());
        for (from_client, from_instance) in lengths.into_iter().chain(rest) {
            let bytes = take(&mut peers.client, from_client);
            if !bytes.is_empty() {
                shell.receive(&bytes);
            }
            shell.take_up();
            shell.connected();
            if shell.request().is_some_and(|request| request.complete) && answered == shell.outcomes.len() {
                peers.instance = answer(methods[answered], answered);
                answered += 1;
            }
            happen(&mut shell, &mut peers, Event::Instance(from_instance));
        }
        for (number, (outcome, method)) in shell.outcomes.iter().zip(&methods).enumerate() {
            let super::shell::Outcome::Answered(messages) = outcome else { panic!("{outcome:?}") };
            let last = messages.last().unwrap();
            prop_assert_eq!(last.values("x-number"), [number.to_string()]);
            let body = if *method == "HEAD" { String::new() } else { format!("body {number}") };
            prop_assert_eq!(&last.body, body.as_bytes());
        }
        prop_assert_eq!(shell.outcomes.len(), methods.len());
        prop_assert_eq!(shell.client, Client::Open);
        shell.close();
    }
}

fn request(method: &str, number: usize) -> Vec<u8> {
    let body = if method == "POST" { format!("body {number}") } else { String::new() };
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{method} /{number} HTTP/1.1\r\nHost: a\r\n{length}\r\n{body}").into_bytes()
}

/// An answer that names its request; odd ones are chunked.
fn answer(method: &str, number: usize) -> Vec<u8> {
    let body = format!("body {number}");
    let (field, coded) = match number % 2 {
        0 => (format!("Content-Length: {}", body.len()), body),
        _ => ("Transfer-Encoding: chunked".into(), format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())),
    };
    let coded = if method == "HEAD" { String::new() } else { coded };
    format!("HTTP/1.1 200 OK\r\n{field}\r\nX-Number: {number}\r\n\r\n{coded}").into_bytes()
}
