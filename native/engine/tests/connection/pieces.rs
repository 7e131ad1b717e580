//! What bytes mean that come in pieces: requests and responses, fed to a connection.

use std::sync::Arc;

use headgate_engine::snapshot::Snapshot;

use super::reference::Message;
use super::shell::{Client, Outcome, Shell};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// What became of bytes of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A request with this line and body reached an instance.
    Forwarded(String, String),
    /// The gateway answered itself.
    Refused(u16),
}

/// Feeds the pieces to a connection whose instances answer every complete request at once.
pub(crate) fn meanings(pieces: &[&[u8]]) -> (Vec<Asked>, Client) {
    let mut shell = Shell::new();
    let mut meanings = vec![];
    for piece in pieces {
        shell.receive(piece);
        loop {
            shell.connected();
            if let Some(request) = shell.request().filter(|request| request.complete) {
                let line = request.line.trim_end_matches(" HTTP/1.1").to_string();
                meanings.push(Asked::Forwarded(line, String::from_utf8_lossy(&request.body).into_owned()));
                shell.respond(OK);
            }
            if let Some(Outcome::Refused(status)) = shell.outcomes.pop() {
                meanings.push(Asked::Refused(status));
            }
            if !shell.pending {
                break;
            }
            shell.pending = false;
            shell.receive(b"");
        }
    }
    let client = shell.client;
    shell.close();
    (meanings, client)
}

/// How the instance's side ends after its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Open,
    Fin,
    Reset,
}

/// What the client has at the end: (statuses, body), or a status of the gateway, or a broken answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Whole(Vec<u16>, String),
    Refused(u16),
    Aborted,
    Unanswered,
}

/// Feeds the pieces to a connection as the answer to a request.
pub(crate) fn meaning(request: &str, pieces: &[&[u8]], end: End) -> (Answer, Client) {
    let mut shell = Shell::new();
    shell.receive(request.as_bytes());
    shell.connected();
    answer(&mut shell, pieces, end);
    let meaning = match shell.outcomes.pop() {
        Some(Outcome::Answered(messages)) => {
            let body = messages.last().map(|last| last.body.clone()).unwrap_or_default();
            let statuses = messages.iter().map(Message::status).collect();
            Answer::Whole(statuses, String::from_utf8_lossy(&body).into_owned())
        }
        Some(Outcome::Refused(status)) => Answer::Refused(status),
        Some(Outcome::Aborted) => Answer::Aborted,
        None => Answer::Unanswered,
    };
    let client = shell.client;
    shell.close();
    (meaning, client)
}

/// The first request of a client as an instance has it, under this configuration, and what becomes of it when these pieces answer it.
pub(crate) fn exchange(
    snapshot: &Arc<Snapshot>,
    request: &[u8],
    pieces: &[&[u8]],
    end: End,
) -> (Option<Message>, Option<Outcome>) {
    let mut shell = Shell::by(snapshot);
    shell.receive(request);
    shell.connected();
    let forwarded = shell.request();
    answer(&mut shell, pieces, end);
    let outcome = shell.outcomes.pop();
    shell.close();
    (forwarded, outcome)
}

/// Feeds the pieces to a connection that waits for an answer.
fn answer(shell: &mut Shell, pieces: &[&[u8]], end: End) {
    for piece in pieces {
        if shell.upstream.is_some() {
            shell.respond(piece);
        }
    }
    match end {
        End::Open => {}
        End::Fin => shell.lost(true),
        End::Reset => shell.lost(false),
    }
}

/// The final message of a whole answer, and the interim ones; `None` for an answer of the gateway, a broken one, and none at all.
pub(crate) fn whole(outcome: Option<&Outcome>) -> Option<(&Message, &[Message])> {
    let Some(Outcome::Answered(messages)) = outcome else { return None };
    messages.split_last()
}
