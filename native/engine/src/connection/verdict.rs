//! What the engine tells the shell around a connection to do, and with which bytes.

/// What the shell around a connection has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Action {
    /// Nothing until more bytes or the deadline come.
    Wait = 0,
    /// As `Wait`, and stop reading from the client until the exchange has ended.
    Hold = 1,
    /// Send the payload to the instance in the argument; without a payload, send again what was sent before.
    Forward = 2,
    /// Send the payload on to the instance.
    Send = 3,
    /// Send the payload on to the client.
    Relay = 4,
    /// Send the payload to the client; the exchange is complete and both connections may carry another.
    Finish = 5,
    /// As `Finish`, but close the instance's connection.
    FinishDrop = 6,
    /// As `Finish`, but close the client's connection after the payload.
    FinishClose = 7,
    /// As `Finish`, but close both connections.
    FinishDropClose = 8,
    /// Send an answer of our own to the client; drop the instance's connection, if there is one.
    Reply = 9,
    /// As `Reply`, and close the client's connection after the payload.
    ReplyClose = 10,
    /// Reset the client's connection so that it notices that its answer is incomplete; drop the instance's.
    Abort = 11,
    /// Close the client's connection, there is nothing to say; drop the instance's.
    Close = 12,
    /// Drop the instance's connection and call [`super::Connection::try_again`] after the nanoseconds in the argument.
    BackOff = 13,
    /// Send the payload to the client and what came early from it ([`super::Connection::take_early`]) to the instance; from
    /// here on the bytes of both are passed on as they are, without the engine.
    Switch = 14,
    /// Hold the payload, the beginning of a request that no instance is there for yet. It goes out with a `Forward` without a
    /// payload, when [`super::Connection::take_turn`] says so.
    Park = 15,
    /// As `Forward`; and a copy of the payload, or of what was held back before, and of what follows it, goes to a mirror
    /// ([`super::Connection::begin_copy`]).
    ForwardCopied = 16,
    /// As `Park`, with a copy likewise; without a payload the request is held back already.
    ParkCopied = 17,
    /// Make a connection of its own to the instance in the argument, for bytes that are passed through; drop the one before, if there
    /// is one. [`super::Connection::connected`] says `Switch`.
    Connect = 18,
}

/// Where the payload of a verdict lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// There is none.
    Nothing,
    /// The bytes that were handed in, all of them, as they are.
    Input,
    /// [`crate::worker::Worker::output`].
    Output,
}

/// An action, its argument and its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What to do.
    pub action: Action,
    /// `Forward` and `Connect`: the key of the instance. `Finish…` and `Reply`: 1 when pipelined bytes wait to be taken up.
    /// `…Close`: 1 when the client may still be sending. `BackOff`: nanoseconds.
    pub argument: u64,
    /// What to send.
    pub payload: Payload,
}

impl Verdict {
    pub(super) const WAIT: Self = Self::bare(Action::Wait);
    pub(super) const CLOSE: Self = Self::bare(Action::Close);

    pub(super) const fn bare(action: Action) -> Self {
        Self { action, argument: 0, payload: Payload::Nothing }
    }

    pub(super) const fn with(action: Action, payload: Payload) -> Self {
        Self { action, argument: 0, payload }
    }
}
