//! What the instance sends: heads, interim responses, every framing, early answers, and what of it may be kept.

use super::scene::{Scene, CHUNKED_BEGUN, GET, GET_1_0, OK, POST, POST_BEGUN, SECOND};
use crate::connection::Action;

const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// A response in one chunk is one payload, and both connections live on.
#[test]
fn a_whole_response_finishes_at_once() {
    let mut scene = Scene::forwarded(GET);
    scene.pass(SECOND);
    let told = scene.respond(OK);
    assert_eq!((told.answer(), told.argument, told.body()), ((Action::Finish, 200), 0, "ok".into()));
    assert_eq!((scene.counted(), scene.durations(), scene.held()), (vec![(200, 1)], vec![SECOND], 0));
    assert_eq!(scene.connection.service(), None);
}

/// However a response is cut, the client gets the same bytes and the same end.
#[test]
fn a_response_may_be_cut_anywhere() {
    let rows: [(&str, &str, Action, &str); 7] = [
        (GET, OK, Action::Finish, "ok"),
        (
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
            Action::FinishDrop,
            "ok",
        ),
        (GET, "HTTP/1.1 204 No Content\r\n\r\n", Action::Finish, ""),
        (GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", Action::Finish, ""),
        (HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Action::Finish, ""),
        (
            GET_1_0,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\n\r\n",
            Action::FinishClose,
            "ok",
        ),
        (
            GET,
            "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
            Action::FinishDrop,
            "",
        ),
    ];
    for (request, response, end, body) in rows {
        let whole = Scene::forwarded(request).respond(response);
        assert_eq!(whole.action, end, "{response:?}");
        assert!(body.is_empty() || whole.body() == body, "{response:?}");
        for cut in 1..response.len() {
            let mut scene = Scene::forwarded(request);
            let first = scene.respond(&response[..cut]);
            assert!(matches!(first.action, Action::Wait | Action::Relay), "{response:?} cut at {cut}");
            let second = scene.respond(&response[cut..]);
            assert_eq!(second.action, end, "{response:?} cut at {cut}");
            assert_eq!([first.text(), second.text()].concat(), whole.text(), "{response:?} cut at {cut}");
        }
    }
}

/// One byte behind the end of a response and the instance's connection is not used again.
#[test]
fn bytes_behind_a_response_cost_the_instance_its_connection() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokX",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\nX",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
    ] {
        let mut scene = Scene::forwarded(GET);
        let told = scene.respond(response);
        assert_eq!(told.action, Action::FinishDrop, "{response:?}");
        assert!(!told.text().contains('X'), "{response:?}");
    }
    let mut scene = Scene::forwarded(GET);
    assert_eq!(scene.respond("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").action, Action::Relay);
    let told = scene.respond("okX");
    assert_eq!((told.action, told.text()), (Action::FinishDrop, "ok".into()));
}

/// A 204 that announces a body may send it yet: its connection is not used again.
#[test]
fn a_204_with_a_body_is_not_trusted() {
    for field in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let mut scene = Scene::forwarded(GET);
        let told = scene.respond(format!("HTTP/1.1 204 No Content\r\n{field}\r\n\r\n"));
        assert_eq!(told.answer(), (Action::FinishDrop, 204), "{field}");
        assert!(!told.text().contains(field));
    }
}

/// A body without a length ends with the instance's FIN; a client of HTTP/1.1 sees that end as the last chunk.
#[test]
fn a_body_until_the_close_ends_with_a_clean_close() {
    let response = "HTTP/1.1 200 OK\r\n\r\nok";
    let mut scene = Scene::forwarded(GET);
    let told = scene.respond(response);
    assert_eq!((told.action, told.body()), (Action::Relay, "2\r\nok\r\n".into()));
    assert_eq!(scene.respond("more").text(), "4\r\nmore\r\n");
    let told = scene.lost(true);
    assert_eq!((told.action, told.text()), (Action::FinishDrop, "0\r\n\r\n".into()));
    scene.ends_as(200);
    let mut scene = Scene::forwarded(GET_1_0);
    assert_eq!(scene.respond(response).body(), "ok");
    assert_eq!(scene.respond("more").text(), "more");
    assert_eq!(scene.lost(true).action, Action::FinishDropClose);
}

/// The trailers of an answer reach a client of HTTP/1.1 behind the last chunk, wherever they are cut; where the body goes
/// on without chunks, they end here.
#[test]
fn trailers_follow_a_chunked_body() {
    let response =
        "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 2\r\nSet-Cookie: a\r\n\r\n";
    for cut in [1, response.len() - 45, response.len() - 20, response.len() - 1, response.len()] {
        let mut scene = Scene::forwarded(GET);
        let texts = [&response[..cut], &response[cut..]].map(|part| scene.respond(part).text()).concat();
        assert!(texts.contains("\r\nTrailer: X-Sum\r\n"), "{texts:?}");
        assert!(texts.ends_with("2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n"), "{texts:?} cut at {cut}");
    }
    let told = Scene::forwarded(GET_1_0).respond(response);
    assert_eq!((told.body(), told.text().contains("Trailer")), ("ok".into(), false));
}

/// A reset, or a close before the announced end, must not look like a complete answer.
#[test]
fn a_body_cut_short_aborts_the_client() {
    for (response, clean) in [
        ("HTTP/1.1 200 OK\r\n\r\nok", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", true),
    ] {
        let mut scene = Scene::forwarded(GET);
        assert_eq!(scene.respond(response).action, Action::Relay, "{response:?}");
        assert_eq!(scene.lost(clean).action, Action::Abort, "{response:?}");
        scene.ends_as(200);
    }
}

/// Nothing of an answer that is no HTTP reaches the client while it can still get a clean 502.
#[test]
fn malformed_answers_become_502() {
    for response in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 99 No\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2\r\n\r\n",
    ] {
        let mut scene = Scene::forwarded(GET);
        let told = scene.respond(response);
        assert_eq!(told.answer(), (Action::Reply, 502), "{response:?}");
        assert!(told.text().ends_with("502 Bad Gateway\n"));
        scene.ends_as(502);
    }
    let mut scene = Scene::forwarded(GET);
    assert_eq!(scene.respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").action, Action::Relay);
    assert_eq!(scene.respond("zz").action, Action::Abort);
    scene.ends_as(200);
}

/// Interim responses go on to clients that know of them; the final one follows whole.
#[test]
fn interim_responses_are_relayed_to_http_1_1() {
    let early_hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nContent-Length: 4\r\n\r\n";
    let mut scene = Scene::forwarded(GET);
    let told = scene.respond([CONTINUE, early_hints, "HTTP/1.1 2"].concat());
    assert_eq!(told.action, Action::Relay);
    assert_eq!(told.text(), [CONTINUE, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"].concat());
    assert_eq!(scene.respond(&OK["HTTP/1.1 2".len()..]).answer(), (Action::Finish, 200));
    let mut scene = Scene::forwarded(GET_1_0);
    assert_eq!(scene.respond(CONTINUE).action, Action::Wait);
    assert_eq!(scene.respond(OK).answer(), (Action::FinishClose, 200));
}

/// An instance that sends nothing but interim responses is in a loop.
#[test]
fn interim_responses_are_bounded() {
    let mut scene = Scene::forwarded(GET);
    for _ in 0..16 {
        assert_eq!(scene.respond(CONTINUE).action, Action::Relay);
    }
    assert_eq!(scene.respond(CONTINUE).answer(), (Action::Reply, 502));
    scene.ends_as(502);
}

/// A final answer while the request still comes: it is passed on, the rest of the request is not, and neither
/// connection carries another.
#[test]
fn an_early_answer_ends_both_connections() {
    for (request, rest) in [(POST_BEGUN, "defghij"), (CHUNKED_BEGUN, "0\r\n\r\n")] {
        let mut scene = Scene::forwarded(request);
        let told = scene.respond(OK);
        assert_eq!((told.action, told.argument), (Action::FinishDropClose, 1), "{request:?}");
        assert!(told.text().contains("\r\nConnection: close\r\n"), "{request:?}");
        assert_eq!(scene.receive([rest, GET].concat()).action, Action::Wait, "{request:?}");
        assert_eq!(scene.client_eof().action, Action::Close);
        scene.ends_as(200);
    }
}

/// An answer that has only begun early lets the request go on; complete on both sides, the client may stay.
#[test]
fn an_early_beginning_lets_the_request_go_on() {
    let mut scene = Scene::forwarded(POST_BEGUN);
    assert_eq!(scene.respond("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").action, Action::Relay);
    assert_eq!(scene.receive("defghij").action, Action::Send);
    assert_eq!(scene.respond("ok").action, Action::Finish);
}

/// An instance that answers without having taken the request is not given another one behind it.
#[test]
fn an_instance_that_did_not_take_the_request_is_dropped() {
    let mut scene = Scene::forwarded(POST);
    scene.stalled(false);
    assert_eq!(scene.respond(OK).action, Action::FinishDrop);
}

/// A head that comes byte by byte is searched once and copied once.
#[test]
fn a_dripped_head_costs_no_more_than_its_bytes() {
    let mut scene = Scene::forwarded(GET);
    let field = format!("X: {}\r\n", "y".repeat(15_000));
    let head = ["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", &field.repeat(4), "\r\n"].concat();
    let (last, dripped) = head.as_bytes().split_last().unwrap();
    let mut moves = 0;
    let mut place = std::ptr::null();
    for byte in dripped {
        assert_eq!(scene.respond([*byte]).action, Action::Wait);
        let now_at = scene.connection.response_head.as_ptr();
        moves += usize::from(now_at != place);
        place = now_at;
    }
    assert!(moves < 40, "the buffer moved {moves} times");
    assert_eq!(scene.respond([*last]).answer(), (Action::Finish, 200));
    assert_eq!(scene.connection.response_head.capacity(), 0);
}

/// A head beyond its bound is refused before it is complete.
#[test]
fn an_endless_head_is_refused() {
    let mut scene = Scene::forwarded(GET);
    let mut told = scene.respond("HTTP/1.1 200 OK\r\n");
    let mut sent = 0;
    while told.action == Action::Wait {
        told = scene.respond("X: 0123456789\r\n");
        sent += 15;
        assert!(sent < 128 * 1024);
    }
    assert_eq!(told.answer(), (Action::Reply, 502));
    assert!(told.text().contains("http_response_header_section_size"));
}

/// Bytes of an instance that serves no exchange change nothing.
#[test]
fn bytes_without_an_exchange_are_ignored() {
    let mut scene = Scene::new();
    assert_eq!(scene.respond(OK).action, Action::Wait);
    assert_eq!(scene.lost(true).action, Action::Wait);
    assert_eq!(scene.connect_failed().action, Action::Wait);
    scene.connecting();
    scene.flowing();
    assert_eq!(scene.receive(GET).action, Action::Forward);
}
