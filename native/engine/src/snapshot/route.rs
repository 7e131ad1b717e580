//! What a request reads of the route that takes it. Among many routes each request finds another one, and none of it in a
//! cache; so it lies in two neighbouring cache lines, and what few routes have lies behind one pointer.

use std::mem::size_of;
use std::net::IpAddr;
use std::sync::Arc;

use super::{ConcurrencyLimit, Cors, Destinations, Few, Limit, Maintenance, Service, Terms};
use crate::fault::Fault;
use crate::mirror::Mirror;

/// What happens to the requests that a route matches; [`Snapshot::table`](super::Snapshot::table) knows which these are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(align(128))]
pub struct Route {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// Where they go.
    pub destinations: Destinations,
    /// Extra tries after the first.
    pub tries: u8,
    /// What it says in place of its listener and of the whole file; `None` where it says nothing.
    pub terms: Option<Arc<Terms>>,
    /// The limits, in the order in which they are charged.
    pub limits: Few<Arc<Limit>>,
    /// What few routes have; `None` where it has none of it.
    pub extras: Option<Box<Extras>>,
    /// The route names TRACE among its methods; no other gets one (it would show what the gateway adds).
    pub traces: bool,
}

const _: () = assert!(size_of::<Route>() == 128);

/// What few routes have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Who gets copies of its requests; `None` for nobody.
    pub mirror: Option<Box<Mirror>>,
    /// What is injected into its requests on purpose; `None` for nothing.
    pub fault: Option<Box<Fault>>,
    /// The limits on how many of its requests are under way.
    pub concurrency: Box<[ConcurrencyLimit]>,
    /// Whom it lets in for now, whatever its services say of that; `None` for all.
    pub maintenance: Option<Arc<Maintenance>>,
}

impl Extras {
    /// `None` where there is nothing.
    pub fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

impl Route {
    /// What it allows pages of other origins.
    pub fn cors(&self) -> Option<&Cors> {
        self.terms.as_ref().and_then(|terms| terms.cors.as_ref())
    }

    /// Who gets copies of its requests; `None` for nobody.
    #[inline]
    pub fn mirror(&self) -> Option<&Mirror> {
        self.extras.as_ref().and_then(|extras| extras.mirror.as_deref())
    }

    /// What is injected into its requests on purpose; `None` for nothing.
    #[inline]
    pub fn fault(&self) -> Option<&Fault> {
        self.extras.as_ref().and_then(|extras| extras.fault.as_deref())
    }

    /// The limits on how many of its requests are under way.
    #[inline]
    pub fn concurrency(&self) -> &[ConcurrencyLimit] {
        self.extras.as_ref().map_or(&[], |extras| &extras.concurrency)
    }

    /// What keeps this client out of its way to a service: first the route, then the service.
    #[inline]
    pub fn closed_to<'a>(
        &'a self,
        service: Option<&'a Service>,
        client: IpAddr,
    ) -> Option<&'a Arc<Maintenance>> {
        let own = self.extras.as_ref().and_then(|extras| extras.maintenance.as_ref());
        let of_service = service.and_then(|service| service.maintenance.as_ref());
        let keeps_out = |maintenance: &&Arc<Maintenance>| maintenance.keeps_out(client);
        own.filter(keeps_out).or_else(|| of_service.filter(keeps_out))
    }
}
