//! Plays the same exchanges over and over on one connection, for a program that counts instructions:
//! `exchanges SCENE COUNT`. `bench/instructions/engine.py` writes the scenes and counts.

#![allow(clippy::expect_used, clippy::panic, reason = "a scene that cannot be played has nothing to count")]

use std::env;
use std::fs;
use std::sync::Arc;

use headgate_engine::connection::{Action, Connection};
use headgate_engine::snapshot::Snapshot;
use headgate_engine::worker::Worker as Engine;
use headgate_shm::control::{Control, InstanceWords};
use headgate_shm::layout::Capacities;
use headgate_shm::segment::Segment;
use headgate_shm::state::Worker as Lane;
use serde::Deserialize;

const INSTANCES: u32 = 2;
const CAPACITIES: Capacities =
    Capacities { lanes: 4, instances: INSTANCES, services: 1, series: 16, limits: 16, limit_keys: 1_000 };
const NOW: u64 = 1_000_000_000_000;
/// Between two exchanges.
const PAUSE: u64 = 100_000;

/// What happens in one exchange.
#[derive(Deserialize)]
struct Scene {
    /// The configuration as the supervisor publishes it.
    snapshot: serde_json::Value,
    /// Does every exchange come on a connection of its own?
    reconnects: bool,
    /// The cap of each instance; 0 for none.
    max_in_flight: u32,
    /// Played once, before anything else.
    before: Vec<Step>,
    steps: Vec<Step>,
}

/// Bytes from one side, and what they must lead to.
#[derive(Deserialize)]
struct Step {
    from: Side,
    text: String,
    action: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    Client,
    Instance,
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let [_, scene, count] = &arguments[..] else { panic!("usage: exchanges SCENE COUNT") };
    let scene = fs::read(scene).expect("a scene that can be read");
    let scene: Scene = serde_json::from_slice(&scene).expect("a scene");
    Player::new(&scene).play(&scene, count.parse().expect("a number of exchanges"));
}

struct Player {
    engine: Engine<Lane>,
    connection: Connection,
    now: u64,
}

impl Player {
    fn new(scene: &Scene) -> Self {
        let mut engine = Engine::new(lane(scene.max_in_flight), 1);
        let snapshot = Snapshot::compile(scene.snapshot.to_string().as_bytes()).expect("a good snapshot");
        engine.snapshot = Arc::new(snapshot);
        let connection = connect(&mut engine, NOW);
        Self { engine, connection, now: NOW }
    }

    fn play(&mut self, scene: &Scene, count: u64) {
        for step in &scene.before {
            self.step(step);
        }
        let expected: Vec<Action> = scene.steps.iter().map(|step| self.step(step)).collect();
        for _ in 1..count {
            self.exchange(scene, &expected);
        }
    }

    fn exchange(&mut self, scene: &Scene, expected: &[Action]) {
        self.now += PAUSE;
        if scene.reconnects {
            self.connection.close(&mut self.engine, self.now);
            self.connection = connect(&mut self.engine, self.now);
        }
        for (step, expected) in scene.steps.iter().zip(expected) {
            assert_eq!(self.hand_in(step), *expected);
        }
        if self.engine.access_log.falls_due() {
            self.engine.access_log.drained();
        }
    }

    fn step(&mut self, step: &Step) -> Action {
        let action = self.hand_in(step);
        assert_eq!(format!("{action:?}"), step.action, "after {:?}", step.text);
        action
    }

    fn hand_in(&mut self, step: &Step) -> Action {
        let (bytes, now) = (step.text.as_bytes(), self.now);
        let verdict = match step.from {
            Side::Client => self.connection.receive(&mut self.engine, bytes, now),
            Side::Instance => self.connection.respond(&mut self.engine, bytes, now),
        };
        verdict.action
    }
}

fn connect(engine: &mut Engine<Lane>, now: u64) -> Connection {
    Connection::open(engine, 0, [192, 0, 2, 1].into(), now)
}

/// A lane on a memory with one service of two healthy instances of this cap.
fn lane(max_in_flight: u32) -> Lane {
    let segment = Arc::new(Segment::create(CAPACITIES, 42).expect("shared memory"));
    let mut control = Control::new(Arc::clone(&segment));
    for slot in 0..INSTANCES {
        let address = format!("127.0.0.1:{}", 9_000 + slot).parse().expect("an address");
        let words = InstanceWords { max_in_flight, ..InstanceWords::plain(address) };
        control.write_instance(slot, &words).expect("room for the instances");
    }
    let slots: Vec<u32> = (0..INSTANCES).collect();
    control.publish_members(0, &slots, 0, NOW).expect("room for the members");
    control.open_lane(0, 1).expect("a free lane");
    Lane::attach(segment, 0).expect("the lane that was opened")
}
