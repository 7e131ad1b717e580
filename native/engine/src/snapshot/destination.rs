//! Where the requests of a route go: to a service, to one of several, or nowhere, because the route answers them itself.

use std::sync::Arc;

use super::Service;
use crate::answer::Answer;
use crate::compression::Compression;
use crate::edits::Edits;
use crate::key::Subject;
use crate::random::Random;
use crate::selection::Policy;
use crate::split::Split;

/// Where the requests of a route go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destinations {
    /// All to one.
    One(Destination),
    /// Each to one of several, as the split decides.
    Split(Split, Box<[Destination]>),
}

impl Destinations {
    /// Where a request goes.
    #[inline]
    pub fn choose(&self, subject: &Subject<'_>, random: &mut Random) -> Option<&Destination> {
        match self {
            Self::One(destination) => Some(destination),
            Self::Split(split, sides) => sides.get(split.choose(subject, random)),
        }
    }

    /// All of them.
    pub fn all(&self) -> &[Destination] {
        match self {
            Self::One(destination) => std::slice::from_ref(destination),
            Self::Split(_, sides) => sides,
        }
    }

    /// What the route answers itself; `None` where it leads to services.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::One(Destination { target: Target::Answer(answer), .. }) => Some(answer),
            Self::One(_) | Self::Split(..) => None,
        }
    }
}

/// Where requests go, and what counts them there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Who answers them.
    pub target: Target,
    /// For each listener the row of the request table that counts them.
    pub rows: Vec<u32>,
    /// What the access log says of route and service.
    pub logged: Box<[u8]>,
}

/// Who answers requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The instances of a service.
    Service(Backend),
    /// The route itself.
    Answer(Arc<Answer>),
}

/// A service as a route uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Index into [`Snapshot::services`](super::Snapshot::services).
    pub service: u32,
    /// How an instance is chosen: as the service does, perhaps from a subset of its instances.
    pub policy: Policy,
    /// What the route changes in the messages that it passes on; `None` for nothing.
    pub edits: Option<Arc<Edits>>,
    /// What the route compresses; `None` for nothing.
    pub compression: Option<Arc<Compression>>,
}

/// Where a request gets to.
#[derive(Clone, Copy, Debug)]
pub enum Leads<'a> {
    /// To a service.
    Service(&'a Backend, &'a Service),
    /// No further.
    Answer(&'a Arc<Answer>),
}

impl<'a> Leads<'a> {
    /// The service, if it is one.
    pub fn service(self) -> Option<&'a Service> {
        match self {
            Self::Service(_, service) => Some(service),
            Self::Answer(_) => None,
        }
    }
}

impl Destination {
    /// The service that requests go to.
    pub fn service(&self) -> Option<u32> {
        match &self.target {
            Target::Service(backend) => Some(backend.service),
            Target::Answer(_) => None,
        }
    }

    /// What of the answers to them is compressed.
    pub fn compression(&self) -> Option<&Arc<Compression>> {
        match &self.target {
            Target::Service(backend) => backend.compression.as_ref(),
            Target::Answer(_) => None,
        }
    }
}
