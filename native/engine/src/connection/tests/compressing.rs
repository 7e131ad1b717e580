//! Answers that go out in a content coding: what arrives, when it arrives, and what is left of one that is cut off.

use serde_json::json;

use super::scene::{Scene, Told, SECOND};
use crate::compression::decoding::decode;
use crate::compression::Coding;
use crate::connection::Action;
use crate::http1::body::Body;
use crate::http1::chunked::Chunked;
use crate::state::Counter;

const TEXT: &str = "All that is said is said again, and again, and all that is said is said again.";

fn scene() -> Scene {
    Scene::with(|document| {
        document["routes"][1]["compression"] = json!({
            "codings": [{"coding": "zstd", "level": 3}, {"coding": "gzip", "level": 4}],
            "types": ["text/*"], "min_length": 20, "with_credentials": false
        });
    })
}

fn get(coding: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n")
}

/// A whole answer with a body in each framing that an instance may choose.
fn answers() -> [String; 3] {
    let (first, second) = TEXT.split_at(30);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: d\r\nETag: \"e\"\r\n";
    [
        format!("{head}Content-Length: {}\r\n\r\n{TEXT}", TEXT.len()),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n1e\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\nETag: \"t\"\r\nServer-Timing: s\r\n\r\n", second.len()),
        format!("{head}\r\n{TEXT}"),
    ]
}

/// What a client has got: its body, whether the last chunk has come, and the trailers.
fn received(payload: &[u8]) -> (Vec<u8>, bool, String) {
    let text = String::from_utf8_lossy(payload);
    let Some(at) = payload.windows(4).position(|it| it == b"\r\n\r\n") else {
        return (vec![], false, String::new());
    };
    assert!(text.contains("\r\nTransfer-Encoding: chunked\r\n"), "{text}");
    let (mut reader, mut body) = (Chunked::default(), Vec::new());
    let used = reader.read(&payload[at + 4..], |data| body.extend_from_slice(data)).unwrap();
    assert_eq!(used, payload.len() - at - 4, "nothing is behind the end");
    (body, reader.is_done(), String::from_utf8_lossy(reader.trailers().section).into_owned())
}

fn codings() -> [(Coding, &'static str); 2] {
    [(Coding::Gzip, "gzip"), (Coding::Zstd, "zstd")]
}

/// The bytes of all encoders when none is at work, after one of each coding was.
fn assert_all_given_back(scene: &mut Scene, coding: Coding) {
    let bytes = scene.worker.encoders.bytes();
    let grade = crate::compression::Grade { coding, level: 3 };
    let encoder = scene.worker.encoders.take(grade, None).unwrap();
    assert_eq!(scene.worker.encoders.bytes(), bytes, "one is at rest");
    scene.worker.encoders.give_back(encoder);
}

/// However an answer is cut into pieces, the client gets its body, at once, and whole.
#[test]
fn a_body_arrives_whatever_the_pieces() {
    for (coding, name) in codings() {
        for answer in answers() {
            for split in 1..answer.len() {
                let mut scene = scene();
                scene.receive(get(name));
                let mut payload = scene.respond(&answer[..split]).payload;
                let begun = answer[..split].find("\r\n\r\n").is_some_and(|at| at + 4 < split);
                if begun {
                    let (body, is_over, _) = received(&payload);
                    assert!(!is_over);
                    let (text, is_complete) = decode(coding, &body);
                    assert!(TEXT.as_bytes().starts_with(&text) && !is_complete, "{split}");
                    let data = answer[..split].rsplit("\r\n\r\n").next().unwrap();
                    assert!(
                        text.len() + 14 > data.len().min(TEXT.len()),
                        "{split}: as far as it came: {data:?}"
                    );
                }
                let last = scene.respond(&answer[split..]);
                payload.extend_from_slice(&last.payload);
                let is_framed = answer.contains("Content-Length") || answer.contains("chunked");
                if is_framed {
                    assert_eq!(last.action, Action::Finish, "{split}");
                } else {
                    let end = scene.lost(true);
                    assert_eq!(end.action, Action::FinishDrop);
                    payload.extend_from_slice(&end.payload);
                }
                let (body, is_over, trailers) = received(&payload);
                assert!(is_over);
                assert_eq!(decode(coding, &body), (TEXT.as_bytes().to_vec(), true), "{split} of {answer:?}");
                assert_eq!(trailers, if answer.contains("chunked") { "Server-Timing: s\n" } else { "" });
                assert_all_given_back(&mut scene, coding);
                scene.ends_as(200);
            }
        }
    }
}

#[test]
fn the_head_says_what_became_of_the_body() {
    let mut scene = scene();
    scene.receive(get("gzip"));
    let told = scene.respond(&answers()[0]);
    let text = told.text();
    let head = text.split("\r\n\r\n").next().unwrap();
    assert_eq!(
        head,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: d\r\nContent-Encoding: gzip\r\nETag: W/\"e\"\r\n\
         Vary: Accept-Encoding\r\nTransfer-Encoding: chunked"
    );
    let given = scene.worker.state.counter(Counter::CompressionOutputBytes);
    assert_eq!(scene.worker.state.counter(Counter::ResponsesCompressed), 1);
    assert_eq!(scene.worker.state.counter(Counter::CompressionInputBytes), TEXT.len() as u64);
    assert_eq!(received(&told.payload).0.len() as u64, given);
}

/// Decoders that want the length of a body first find it in the frame, where the instance said it.
#[test]
fn a_known_length_stands_in_the_frame() {
    let known = [Some(TEXT.len() as u64), None, None];
    for (answer, expected) in answers().iter().zip(known) {
        let mut scene = scene();
        scene.receive(get("zstd"));
        let (body, ..) = received(&scene.respond(answer).payload);
        assert_eq!(zstd_safe::get_frame_content_size(&body).unwrap(), expected, "{answer:?}");
    }
}

/// Its head is that of GET, but for the framing of a body that it does not have.
#[test]
fn an_answer_to_head_says_what_get_would_have_got() {
    for answer in answers() {
        let head = answer.split_once("\r\n\r\n").unwrap().0;
        let mut scene = scene();
        scene.receive(get("zstd").replace("GET", "HEAD"));
        let told = scene.respond(format!("{head}\r\n\r\n"));
        assert_eq!(told.action, Action::Finish);
        assert_eq!(
            told.text(),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: d\r\nContent-Encoding: zstd\r\nETag: W/\"e\"\r\n\
             Vary: Accept-Encoding\r\n\r\n"
        );
        assert_eq!(scene.worker.encoders.bytes(), 0, "no encoder for no body");
    }
}

/// What a client has in a coding has a weak tag, and is confirmed by that; what it has as it came keeps its own. Neither tells a length.
#[test]
fn a_304_confirms_what_the_client_has() {
    let confirmation = "HTTP/1.1 304 Not Modified\r\nDate: d\r\nETag: \"e\"\r\nContent-Length: 99\r\n\r\n";
    let mut scene = scene();
    let named = |tag: &str| format!("gzip\r\nIf-None-Match: {tag}");
    for tag in ["W/\"e\"", "\"e\""] {
        scene.receive(get(&named(tag)));
        assert_eq!(
            scene.respond(confirmation).text(),
            format!("HTTP/1.1 304 Not Modified\r\nDate: d\r\nETag: {tag}\r\nVary: Accept-Encoding\r\n\r\n")
        );
    }
    scene.receive(get("br"));
    assert_eq!(
        scene.respond(confirmation).text(),
        "HTTP/1.1 304 Not Modified\r\nDate: d\r\nETag: \"e\"\r\nVary: Accept-Encoding\r\nContent-Length: 99\r\n\r\n"
    );
}

/// Those for whom it is not, and those answers that are not worth it, take the way that there was before.
#[test]
fn other_answers_pass_as_they_are() {
    let text = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: d\r\nContent-Length: 20\r\n";
    let body = "0123456789".repeat(2);
    let mut scene = scene();
    scene.receive(get("br"));
    assert_eq!(
        scene.respond(format!("{text}\r\n{body}")).text(),
        format!(
            "{}Vary: Accept-Encoding\r\nContent-Length: 20\r\n\r\n{body}",
            text.replace("Content-Length: 20\r\n", "")
        )
    );
    for fields in
        ["Content-Encoding: br\r\n", "Cache-Control: no-transform\r\n", "Content-Range: bytes 0-19/40\r\n"]
    {
        scene.receive(get("gzip"));
        let told = scene.respond(format!("{text}{fields}\r\n{body}"));
        assert_eq!((told.action, told.body()), (Action::Finish, body.clone()));
        assert!(!told.text().contains("Vary") && told.text().contains("Content-Length: 20\r\n"));
    }
    // HTTP/1.0 knows no chunked coding, and without it an answer that was cut off looks like a whole one.
    scene.receive("GET / HTTP/1.0\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    let told = scene.respond(format!("{text}\r\n{body}"));
    assert_eq!((told.action, told.body()), (Action::FinishClose, body.clone()));
    assert!(told.text().contains("Vary: Accept-Encoding\r\nContent-Length: 20\r\n"), "{}", told.text());
    assert_eq!(
        (scene.worker.encoders.bytes(), scene.worker.state.counter(Counter::ResponsesCompressed)),
        (0, 0)
    );
}

/// An interim answer is none that the rules are about, and one to switch protocols neither.
#[test]
fn interim_answers_and_tunnels_pass() {
    let mut scene = scene();
    scene.receive(get("gzip"));
    let hints = "HTTP/1.1 103 Early Hints\r\nContent-Type: text/plain\r\n\r\n";
    assert_eq!(scene.respond(hints).text(), hints);
    assert_eq!(scene.respond(&answers()[0]).action, Action::Finish);
    scene.receive(get("gzip").replace("\r\n\r\n", "\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"));
    let told = scene.respond(
        "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Type: text/plain\r\n\r\nraw",
    );
    assert_eq!(told.action, Action::Switch);
    assert!(told.text().ends_with("\r\n\r\nraw") && !told.text().contains("Encoding"));
}

/// Every way in which an answer may be cut off.
fn cut(scene: &mut Scene, way: usize) -> Told {
    match way {
        0 => scene.lost(true),
        1 => scene.lost(false),
        2 => scene.expire_after(60 * SECOND),
        3 => scene.client_eof(),
        _ => {
            scene.close();
            scene.lost(false)
        }
    }
}

/// Wherever an answer is cut off, and by whom: the client has neither the end of the coding nor the last chunk, and the
/// encoder is back.
#[test]
fn what_is_cut_off_never_looks_complete() {
    for (coding, name) in codings() {
        for answer in &answers()[..2] {
            let body = answer.find("\r\n\r\n").unwrap() + 4;
            for (split, way) in (body..answer.len()).zip((0..5).cycle()) {
                let mut scene = scene();
                scene.receive(get(name));
                let begun = scene.respond(&answer[..split]);
                assert_eq!(begun.action, Action::Relay);
                let end = cut(&mut scene, way);
                assert!(end.payload.is_empty() && end.action != Action::Finish, "{way}: {end:?}");
                if way == 3 {
                    assert_eq!(end.action, Action::Wait, "a FIN may be half a close");
                    scene.close();
                }
                let (sent, is_over, _) = received(&begun.payload);
                assert!(!is_over && !decode(coding, &sent).1, "{split}");
                assert_all_given_back(&mut scene, coding);
            }
        }
    }
}

#[test]
fn a_broken_body_is_cut_off_too() {
    for (coding, name) in codings() {
        let mut scene = scene();
        scene.receive(get(name));
        let answer = &answers()[1];
        let body = answer.find("\r\n\r\n").unwrap() + 4;
        assert_eq!(scene.respond(&answer[..body + 10]).action, Action::Relay);
        let told = scene.respond("nonsense, and more of it that is no chunk at all");
        assert_eq!((told.action, told.payload.len()), (Action::Abort, 0));
        assert_all_given_back(&mut scene, coding);

        let mut scene = self::scene();
        scene.receive(get(name));
        let told = scene
            .respond(format!("{}1e\r\ntoo long and not a chunk, then something else\r\n", &answer[..body]));
        assert_eq!(told.status(), 502, "nothing had gone out");
        assert_all_given_back(&mut scene, coding);
    }
}

/// Event streams, and whatever else comes in its own time.
#[test]
fn what_comes_and_pauses_is_with_the_client() {
    for (coding, name) in codings() {
        let mut scene = scene();
        scene.receive(get(name));
        let mut payload = scene
            .respond(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            )
            .payload;
        let mut said = String::new();
        for number in 0..50 {
            let event = format!("data: event number {number}\n\n");
            // A chunk, and the beginning of the next one's size.
            let told = scene.respond(format!("{:x}\r\n{event}\r\n", event.len()));
            assert_eq!(told.action, Action::Relay);
            said += &event;
            payload.extend_from_slice(&told.payload);
            let (body, is_over, _) = received(&payload);
            assert_eq!(decode(coding, &body), (said.clone().into_bytes(), false));
            assert!(!is_over);
            assert_eq!(scene.respond("").action, Action::Wait, "nothing came, nothing goes");
        }
        assert_eq!(scene.respond("0\r\n\r\n").action, Action::Finish);
    }
}

#[test]
fn without_room_for_an_encoder_answers_pass_as_they_came() {
    let mut scene = scene();
    let grade = crate::compression::Grade { coding: Coding::Zstd, level: 1 };
    let mut taken = Vec::new();
    while let Some(encoder) = scene.worker.encoders.take(grade, None) {
        taken.push(encoder);
    }
    scene.receive(get("zstd"));
    let told = scene.respond(&answers()[0]);
    assert_eq!((told.action, told.body()), (Action::Finish, TEXT.into()));
    assert!(told.text().contains("Vary: Accept-Encoding\r\nContent-Length: "), "{}", told.text());
    assert_eq!(scene.worker.state.counter(Counter::CompressionsSkipped), 1);
    scene.worker.encoders.give_back(taken.remove(0));
    scene.receive(get("zstd"));
    assert!(received(&scene.respond(&answers()[0]).payload).1);
    assert_eq!(scene.worker.state.counter(Counter::ResponsesCompressed), 1);
}

/// The route's rules about fields hold beside those of the coding.
#[test]
fn a_route_may_change_fields_of_an_encoded_answer() {
    let mut scene = scene();
    let snapshot = {
        let mut document = super::scene::document();
        document["routes"][1]["compression"] = json!({"codings": [{"coding": "gzip", "level": 1}],
            "types": ["text/plain"], "min_length": 1, "with_credentials": true});
        document["routes"][1]["edits"] =
            json!({"response": {"set": [["X-By", "us"]], "remove": ["Vary", "ETag"]}});
        crate::snapshot::Snapshot::compile(document.to_string().as_bytes()).unwrap()
    };
    scene.worker.snapshot = snapshot.into();
    scene.receive(get("gzip"));
    let answer = answers()[0].replace("ETag", "Vary: Accept-Encoding\r\nETag");
    let text = scene.respond(answer).text();
    assert!(
        text.starts_with(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: d\r\nX-By: us\r\nContent-Encoding: gzip\r\n\
             Vary: Accept-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n"
        ),
        "{text}"
    );
}

#[test]
fn a_body_of_any_length_is_counted_to_its_end() {
    let mut scene = scene();
    scene.receive(get("gzip"));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000000\r\n\r\n";
    let mut payload = scene.respond(head).payload;
    for _ in 0..9 {
        payload.extend(scene.respond(vec![b'a'; 100_000]).payload);
    }
    let last = scene.respond(vec![b'a'; 100_000]);
    assert_eq!(last.action, Action::Finish);
    payload.extend(last.payload);
    let (body, is_over, _) = received(&payload);
    assert!(is_over && body.len() < 5_000, "{}", body.len());
    assert_eq!(decode(Coding::Gzip, &body), (vec![b'a'; 1_000_000], true));
    assert!(matches!(scene.connection.request_body, Body::Length(0)));
}
