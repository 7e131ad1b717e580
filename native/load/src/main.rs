//! The load generator of the benchmarks, as a process: `headgate-load PORT CONNECTIONS BODY_BYTES REQUEST_BYTES`.
//!
//! It reads a request of so many bytes from its standard input, connects to that port of the loopback address, and says
//! `ready`. From then on each line of its input, a rate in requests a second and a number of requests, is a stretch of load,
//! which it answers with a line, the nanoseconds by which it overslept at the most, and with the latency of each request in
//! nanoseconds, eight bytes each, in the order in which they were due. Whatever fails ends it, with a line on standard error.
//!
//! Read in this order: [`answer`] tells when an answer is whole, [`open_loop`] sends and receives.

#![forbid(unsafe_code)]

mod answer;
mod open_loop;

use std::fmt::Display;
use std::io::{self, BufRead, Write};
use std::num::NonZeroU64;
use std::process::ExitCode;
use std::str::FromStr;

use rustix::thread::set_current_timer_slack;

use crate::open_loop::OpenLoop;

const USAGE: &str = "usage: headgate-load PORT CONNECTIONS BODY_BYTES REQUEST_BYTES";

fn main() -> ExitCode {
    match serve(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Obeys until there are no more orders.
fn serve(orders: &mut impl BufRead, answers: &mut impl Write) -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, connections, body, request] = arguments.as_slice() else {
        return Err(USAGE.to_owned());
    };
    let mut bytes = vec![0; number(request)?];
    orders.read_exact(&mut bytes).map_err(told("the request"))?;
    // Without the kernel's own slack of 50 µs.
    set_current_timer_slack(NonZeroU64::new(1)).map_err(told("timers"))?;
    let mut load = OpenLoop::connect(number(port)?, number(connections)?, number(body)?, bytes)?;
    answers.write_all(b"ready\n").and_then(|()| answers.flush()).map_err(told("standard output"))?;
    for line in orders.lines() {
        let line = line.map_err(told("standard input"))?;
        let (rate, total) = line.split_once(' ').ok_or_else(|| format!("no stretch: {line:?}"))?;
        let stretch = load.run(number(rate)?, number(total)?)?;
        let latencies: Vec<u8> = stretch.latencies.iter().flat_map(|latency| latency.to_le_bytes()).collect();
        writeln!(answers, "{}", stretch.woke_late)
            .and_then(|()| answers.write_all(&latencies))
            .and_then(|()| answers.flush())
            .map_err(told("standard output"))?;
    }
    Ok(())
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no number that is meant here; {USAGE}"))
}

/// What failed, before why.
fn told<E: Display>(what: &'static str) -> impl Fn(E) -> String {
    move |error| format!("{what}: {error}")
}
