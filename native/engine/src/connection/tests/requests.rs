//! What the client sends: which requests are forwarded, and how the others are refused.

use super::scene::{
    body_is_read, slot, Scene, CHUNKED_BEGUN, GET, GET_1_0, LIMITED, OK, POST, POST_BEGUN, SECOND,
};
use crate::connection::Action;
use crate::state::Counter;

/// The whole of a simple request goes out as one payload, to an instance that then holds one exchange.
#[test]
fn a_request_is_forwarded_with_its_body() {
    let mut scene = Scene::new();
    let told = scene.receive(POST);
    assert!(told.text().starts_with("POST / HTTP/1.1\r\nHost: a\r\n"));
    assert!(told.text().ends_with("\r\nContent-Length: 3\r\n\r\nabc"));
    assert!(slot(&told) < 2);
    assert_eq!((scene.held(), scene.connection.service()), (1, Some(0)));
    assert_eq!(scene.worker.state.counter(Counter::ConnectionsAccepted), 1);
}

/// A body that comes later is sent on as it comes, and no byte further.
#[test]
fn a_body_streams_up_to_its_end() {
    let mut scene = Scene::forwarded(POST_BEGUN);
    let told = scene.receive("defg");
    assert_eq!((told.action, told.text()), (Action::Send, "defg".into()));
    let told = scene.receive(["hij", GET].concat());
    assert_eq!((told.action, told.text()), (Action::Send, "hij".into()));
    assert!(body_is_read(&scene));
    assert_eq!((scene.respond(OK).action, scene.receive("").action), (Action::Finish, Action::Forward));
}

/// A chunked body is written anew: no extension, one last chunk, and of the trailers those that may pass.
#[test]
fn a_chunked_body_is_written_anew() {
    let mut scene = Scene::new();
    assert!(scene
        .receive(CHUNKED_BEGUN)
        .text()
        .ends_with("\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"));
    assert_eq!(scene.receive("2;evil=1\r\n").action, Action::Wait);
    assert_eq!(scene.receive("de\r\n0\r\nHost: b\r\nX-Trailer: 1\r\n").text(), "2\r\nde\r\n");
    let told = scene.receive(["\r\n", GET].concat());
    assert_eq!((told.action, told.text()), (Action::Send, "0\r\nX-Trailer: 1\r\n\r\n".into()));
    assert_eq!((scene.respond(OK).action, scene.receive("").action), (Action::Finish, Action::Forward));
}

/// Every fault of a head has its status, ends the connection and reaches no instance.
#[test]
fn malformed_heads_are_refused() {
    for (head, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("PUT / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\nx", 417),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ] {
        let mut scene = Scene::new();
        let told = scene.receive([head, GET].concat());
        assert_eq!((told.answer(), told.argument), ((Action::ReplyClose, status), 1), "{head:?}");
        assert!(told.text().contains("\r\nConnection: close\r\n"));
        assert_eq!(scene.receive(GET).action, Action::Wait, "{head:?}");
        scene.close();
        assert_eq!((scene.counted_unrouted(), scene.counted(), scene.held()), (vec![(status, 1)], vec![], 0));
    }
}

/// A refused request whose body is here already leaves the connection usable, exactly behind that body.
#[test]
fn a_refused_body_that_is_here_is_forgotten() {
    let body = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for (request, status) in [
        (POST.replace("Host: a", "Host: b"), 404),
        (format!("POST / HTTP/1.1\r\nHost: b\r\n{body}"), 404),
        ("POST / HTTP/1.1\r\nHost: b\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx".into(), 404),
    ] {
        let mut scene = Scene::new();
        let told = scene.receive([&request, GET].concat());
        assert_eq!((told.answer(), told.argument), ((Action::Reply, status), 1), "{request:?}");
        assert_eq!(scene.receive("").action, Action::Forward);
    }
}

/// One whose body is still to come does not: the client may wait for a 100 for ever, or never stop.
#[test]
fn a_refused_body_that_is_not_here_closes() {
    let large = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n".to_string();
    let waits = "POST / HTTP/1.1\r\nHost: b\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n".to_string();
    let broken = "POST / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n".to_string();
    for (request, status) in
        [(POST_BEGUN.replace("Host: a", "Host: b"), 404), (large, 413), (waits, 404), (broken, 404)]
    {
        let mut scene = Scene::new();
        let told = scene.receive(&request);
        assert_eq!((told.answer(), told.argument), ((Action::ReplyClose, status), 1), "{request:?}");
        assert_eq!(scene.receive("defghijGET / HTTP/1.1\r\n").action, Action::Wait);
    }
}

/// A chunked body is bounded as one with a length is: at the bound it passes, one byte more is refused.
#[test]
fn the_size_of_a_chunked_body_is_bounded() {
    let data = |size: usize| format!("{size:x}\r\n{}\r\n", "x".repeat(size));
    let mut scene = Scene::forwarded(CHUNKED_BEGUN);
    assert_eq!(scene.receive(data(997)).action, Action::Send);
    assert_eq!(scene.receive("0\r\n\r\n").action, Action::Send);
    let mut scene = Scene::forwarded(CHUNKED_BEGUN);
    assert_eq!(scene.receive(data(998)).answer(), (Action::ReplyClose, 413));
    scene.ends_as(413);
}

/// A body that breaks its coding never gets its last chunk at the instance; the client learns why.
#[test]
fn a_body_that_breaks_its_coding_is_refused() {
    let mut scene = Scene::forwarded(CHUNKED_BEGUN);
    assert_eq!(scene.receive("0\r\n\n").answer(), (Action::ReplyClose, 400));
    assert_eq!(scene.receive(GET).action, Action::Wait);
    scene.ends_as(400);
    let mut scene = Scene::new();
    assert_eq!(scene.receive([CHUNKED_BEGUN, "zz"].concat()).answer(), (Action::ReplyClose, 400));
    scene.ends_as(400);
}

/// Without an instance, or with every instance at its cap, the client is told so and may go on.
#[test]
fn a_request_without_an_instance_is_refused() {
    let mut scene = Scene::new();
    for slot in [0, 1] {
        scene.worker.state.set_cap(slot, 10);
    }
    let told = scene.receive(GET);
    assert_eq!(told.answer(), (Action::Reply, 503));
    assert!(told.text().contains("connection_limit_reached"));
    scene.worker.state.set_members(0, &[]);
    let told = scene.receive(GET);
    assert_eq!(told.answer(), (Action::Reply, 503));
    assert!(told.text().contains("destination_unavailable"));
    assert_eq!((scene.counted(), scene.held()), (vec![(503, 2)], 0));
}

/// Beyond the limit a client gets 429 with the seconds to wait, rounded up, and holds no instance.
#[test]
fn a_request_beyond_the_limit_is_refused() {
    let limited = "GET /limited HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut scene = Scene::forwarded(limited);
    scene.respond(OK);
    scene.pass(SECOND / 10);
    let told = scene.receive(limited);
    assert_eq!(told.answer(), (Action::Reply, 429));
    assert!(told.text().contains("\r\nRetry-After: 3\r\n"));
    assert_eq!((scene.counted(), scene.held()), (vec![(200, 1), (429, 1)], 0));
    assert_eq!(scene.worker.state.limit_decisions(LIMITED), [1, 1, 0, 0, 0, 0, 0]);
    scene.pass(3 * SECOND);
    assert_eq!(scene.receive(limited).action, Action::Forward);
}

/// HTTP/1.0 closes unless asked not to, and has the wish confirmed.
#[test]
fn a_client_of_http_1_0_is_kept_only_at_its_wish() {
    let mut scene = Scene::forwarded(GET_1_0);
    let told = scene.respond(OK);
    assert_eq!(told.action, Action::FinishClose);
    assert!(told.text().contains("\r\nConnection: close\r\n"));
    let mut scene = Scene::forwarded("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    let told = scene.respond(OK);
    assert_eq!(told.action, Action::Finish);
    assert!(told.text().contains("\r\nConnection: keep-alive\r\n"));
    let mut scene = Scene::new();
    let told = scene.receive("GET / HTTP/1.0\r\nHost: b\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(told.answer(), (Action::Reply, 404));
    assert!(told.text().contains("\r\nConnection: keep-alive\r\n"));
}

/// What a refused HEAD gets is a head alone.
#[test]
fn a_refused_head_request_gets_no_body() {
    let told = Scene::new().receive("HEAD / HTTP/1.1\r\nHost: b\r\n\r\n");
    assert_eq!((told.answer(), told.body()), ((Action::Reply, 404), String::new()));
    let mut scene = Scene::forwarded("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(scene.respond("nonsense\r\n\r\n").body(), "");
}

/// On its way out a worker still answers, and every answer ends its connection.
#[test]
fn a_draining_worker_closes_with_its_answers() {
    let mut scene = Scene::forwarded(GET);
    scene.worker.draining = true;
    let told = scene.respond(OK);
    assert_eq!(told.action, Action::FinishClose);
    assert!(told.text().contains("\r\nConnection: close\r\n"));
    let mut scene = Scene::new();
    scene.worker.draining = true;
    assert_eq!(scene.receive("GET / HTTP/1.1\r\nHost: b\r\n\r\n").answer(), (Action::ReplyClose, 404));
}

/// Without a configuration nothing is found and nothing faults.
#[test]
fn a_worker_without_configuration_answers_404() {
    let mut scene = Scene::new();
    scene.worker.snapshot = std::sync::Arc::default();
    assert_eq!(scene.receive(GET).answer(), (Action::Reply, 404));
    assert_eq!((scene.counted(), scene.counted_unrouted()), (vec![], vec![]));
}

/// The path that routes, limits and the log see is the one that the instance gets: the canonical one.
#[test]
fn one_path_is_routed_and_forwarded() {
    for target in
        ["/limited", "//limited", "/x/../limited", "/%6cimited", "/./limited", "http://a/x/%2e%2E//limited"]
    {
        let mut scene = Scene::new();
        let told = scene.receive(GET.replace("/ ", &format!("{target}?a=/../b "))); // the query stays
        assert!(told.text().starts_with("GET /limited?a=/../b HTTP/1.1\r\n"), "{target}: {}", told.text());
        assert_eq!(scene.worker.state.limit_decisions(LIMITED)[0], 1, "{target} passed by the limit");
    }
    for target in ["/x%2f..%2flimited", "/x/..%5climited", "/x/..;/limited", "/limited%00", "/limited%"] {
        let told = Scene::new().receive(GET.replace("/ ", &format!("{target} ")));
        assert_eq!(told.answer(), (Action::ReplyClose, 400), "{target}");
        assert!(told.text().contains("details=\"ambiguous path\""));
    }
    let keeps = |document: &mut serde_json::Value| {
        document["listeners"][0]["keep_in_paths"] = serde_json::json!(["encoded_slash"]);
    };
    let mut scene = Scene::with(keeps);
    assert!(scene.receive(GET.replace("/ ", "/x/a%2fb ")).text().starts_with("GET /x/a%2Fb HTTP/1.1\r\n"));
}

/// TRACE goes to routes that name it and to no other.
#[test]
fn a_trace_needs_a_route_that_names_it() {
    let trace = GET.replace("GET", "TRACE");
    let told = Scene::new().receive(&trace);
    assert_eq!(told.answer(), (Action::Reply, 405));
    assert!(told.text().contains("\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"));
    let mut scene = Scene::with(|document| document["routes"][1]["methods"] = serde_json::json!(["TRACE"]));
    assert_eq!(scene.receive(&trace).action, Action::Forward);
}

/// Who may take no further hop is answered here; a request that has come by eight times is in a loop.
#[test]
fn hops_are_bounded() {
    let options = |fields: &str| format!("OPTIONS / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let told = Scene::new().receive(options("Max-Forwards: 0\r\n"));
    assert_eq!(told.answer(), (Action::Reply, 200));
    assert!(told.text().contains("\r\nAllow: GET, ") && !told.text().contains("error="));
    let told = Scene::new().receive(options("Max-Forwards: 1\r\n"));
    assert!(told.text().contains("\r\nMax-Forwards: 0\r\n"));
    assert_eq!(Scene::new().receive(options(&"Via: 1.1 headgate\r\n".repeat(7))).action, Action::Forward);
    let told = Scene::new().receive(
        options("Via: 1.1 headgate, 1.1 headgate\r\n")
            .replace("\r\n\r\n", &format!("\r\nVia: x{}\r\n\r\n", ", 1.1 headgate".repeat(6))),
    );
    assert_eq!(told.answer(), (Action::Reply, 502));
    assert!(told.text().contains("error=proxy_loop_detected"));
}

/// Failures before and after the request was forwarded are told in JSON to who prefers it, and by the operator's page
/// to all others; a request that was not understood prefers nothing.
#[test]
fn failures_are_told_as_the_client_prefers() {
    let page = serde_json::json!([{"status": 502, "content_type": "text/html", "body": "<p>"}]);
    let scene = || Scene::with(|document| document["errors"] = page.clone());
    let json = GET.replace("\r\n\r\n", "\r\nAccept: application/json\r\n\r\n").replace("GET", "POST");
    for (request, body) in [(&json, "{\"status\":502"), (&GET.replace("GET", "POST"), "<p>")] {
        let mut scene = scene();
        scene.receive(request);
        let told = scene.lost(true);
        assert_eq!(told.answer(), (Action::Reply, 502));
        assert!(told.body().starts_with(body), "{}", told.text());
        let told = scene.receive("BAD\r\n\r\n");
        assert_eq!((told.status(), told.body()), (400, "400 Bad Request\n".into()));
    }
    let told = scene().receive(json.replace("Host: a", "Host: b"));
    assert!(told.body().starts_with("{\"status\":404"), "{}", told.text());
}
