//! The addresses of instances as lines show them, each written once for many lines.

use super::escape::put_text;
use super::record::NAME_ROOM;
use crate::state::{Instance, State};

/// How many addresses are remembered; those that share a place take turns.
const PLACES: usize = 64;

/// Remembers what was written for an instance: an occupant of a slot never changes its address.
#[derive(Debug, Default)]
pub(super) struct Instances {
    places: Vec<Place>,
    /// An address on its way from the shared state into its place.
    address: String,
}

#[derive(Clone, Debug, Default)]
struct Place {
    instance: Option<Instance>,
    string: Vec<u8>,
}

impl Instances {
    /// The instance's address as a string of JSON; `None` when it is not remembered and its slot has another occupant.
    pub(super) fn written<S: State>(&mut self, instance: Instance, state: &S) -> Option<&[u8]> {
        if self.places.is_empty() {
            self.places.resize(PLACES, Place::default());
        }
        let place = &mut self.places[instance.slot as usize % PLACES];
        if place.instance != Some(instance) {
            self.address.clear();
            if !state.put_address(instance, &mut self.address) {
                return None;
            }
            place.string.clear();
            put_text(&mut place.string, &self.address, NAME_ROOM);
            place.instance = Some(instance);
        }
        Some(&place.string)
    }
}
