//! Where the requests of a route go: to a service, to one of several, or nowhere, because the route answers them itself.

use std::sync::Arc;

use super::{Few, Service, Timeouts};
use crate::answer::Answer;
use crate::compression::Compression;
use crate::edits::Edits;
use crate::key::Subject;
use crate::naming::Naming;
use crate::random::Random;
use crate::selection::Policy;
use crate::split::Split;

/// Where the requests of a route go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destinations {
    /// All to one.
    One(Destination),
    /// Each to one of several, as the split decides.
    Split(Box<Split>, Box<[Destination]>),
    /// Each to the one of several that it names.
    Named(Box<Naming>, Box<[Destination]>),
}

impl Destinations {
    /// Where a request goes; `None` where it names none that there is.
    #[inline]
    pub fn choose(&self, subject: &Subject<'_>, random: &mut Random) -> Option<&Destination> {
        match self {
            Self::One(destination) => Some(destination),
            Self::Split(split, sides) => sides.get(split.choose(subject, random)),
            Self::Named(naming, services) => services.get(naming.find(subject)?),
        }
    }

    /// The one that a request names; `None` where requests name none, `Some(None)` where this one names none that there is.
    pub fn named(&self, subject: &Subject<'_>) -> Option<Option<&Destination>> {
        match self {
            Self::Named(naming, services) => Some(naming.find(subject).and_then(|index| services.get(index))),
            Self::One(_) | Self::Split(..) => None,
        }
    }

    /// All of them.
    pub fn all(&self) -> &[Destination] {
        match self {
            Self::One(destination) => std::slice::from_ref(destination),
            Self::Split(_, several) | Self::Named(_, several) => several,
        }
    }

    /// What the route answers itself; `None` where it leads to services.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::One(Destination { target: Target::Answer(answer), .. }) => Some(answer),
            Self::One(_) | Self::Split(..) | Self::Named(..) => None,
        }
    }
}

/// Where requests go, and what counts them there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Who answers them.
    pub target: Target,
    /// For each listener the row of the request table that counts them.
    pub rows: Few<u32>,
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

/// A service as a route uses it. Most routes say nothing of that, and so share what the service says, which is in the caches for
/// all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Index into [`Snapshot::services`](super::Snapshot::services).
    pub service: u32,
    /// What the route says of that; `None` for nothing.
    usage: Option<Box<Usage>>,
}

/// How a service is used: as it says itself, or as a route says in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// How an instance is chosen: as the service does, perhaps from a subset of its instances.
    pub policy: Policy,
    /// How long its instances are waited for.
    pub timeouts: Timeouts,
    /// What the route changes in the messages that it passes on; `None` for nothing.
    pub edits: Option<Arc<Edits>>,
    /// What the route compresses; `None` for nothing.
    pub compression: Option<Arc<Compression>>,
}

impl Backend {
    /// The service of this index, used like this.
    pub fn new(index: u32, usage: Usage, service: &Service) -> Self {
        Self { service: index, usage: (usage != service.usage).then(|| Box::new(usage)) }
    }

    /// The service of this index, of whose use nothing is said.
    pub fn plain(index: u32) -> Self {
        Self { service: index, usage: None }
    }

    /// How the route uses the service, which is the one of its index.
    #[inline]
    pub fn usage<'a>(&'a self, service: &'a Service) -> &'a Usage {
        self.usage.as_deref().unwrap_or(&service.usage)
    }
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
            Target::Service(backend) => backend.usage.as_ref()?.compression.as_ref(),
            Target::Answer(_) => None,
        }
    }
}
