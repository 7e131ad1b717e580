//! Idle connections to instances: the one used last is taken first, the one idle longest goes when there are too many.
//!
//! The pool decides and does no I/O: what it returns is the caller's, to use or to close. Every operation but the
//! sweep takes constant time: the connections are linked twice, per instance and over all, by the order of their
//! return.
//!
//! With a thousand instances nothing of a connection is in the cache when its turn comes. So an instance is found by the number of its
//! place and not by a hash, its connection is one look from there, and what lies beside it is of the same kind.

mod order;

use order::{Ends, Links};

use crate::state::Instance;

/// Where an idle connection stands; good until the connection has left the pool, by whatever way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u32);

/// What the pool must know of a connection that is given back.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// The instance it leads to.
    pub instance: Instance,
    /// Idle connections kept for that instance.
    pub max_idle: usize,
    /// When it has been idle too long, in nanoseconds.
    pub until: u64,
}

/// Two of them share a cache line, and none lies in two.
#[derive(Debug)]
#[repr(align(32))]
struct Slot<T> {
    connection: Option<T>,
    instance: Instance,
    until: u64,
}

/// The idle connections of one worker.
#[derive(Debug)]
pub struct Pool<T> {
    max_idle: usize,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    all: Ends,
    links_of_all: Links,
    /// By the slot of an instance in shared memory, of which there are no more than were configured for. Connections to the one that had
    /// a slot before stand there too, until they have been idle too long, and are passed over.
    instances: Vec<Ends>,
    links_of_instances: Links,
}

impl<T> Pool<T> {
    /// A pool of at most `max_idle` connections over all instances.
    pub fn new(max_idle: usize) -> Self {
        Self {
            max_idle,
            slots: Vec::new(),
            free: Vec::new(),
            all: Ends::EMPTY,
            links_of_all: Links::default(),
            instances: Vec::new(),
            links_of_instances: Links::default(),
        }
    }

    /// Idle connections.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Places of instances that they lead to.
    pub fn instances(&self) -> usize {
        self.instances.iter().filter(|ends| ends.len() > 0).count()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The connection to the instance that was used last.
    pub fn take(&mut self, instance: Instance) -> Option<T> {
        let mut index = self.instances.get(instance.slot as usize)?.newest()?;
        while self.slots[index as usize].instance != instance {
            index = self.links_of_instances.older(index)?;
        }
        self.remove(index)
    }

    /// Takes a connection that stands at a message boundary, and returns the one there is too many, if any.
    pub fn give(&mut self, connection: T, idle: Idle) -> (Option<Ticket>, Option<T>) {
        if idle.max_idle == 0 || self.max_idle == 0 {
            return (None, Some(connection));
        }
        let place = idle.instance.slot as usize;
        if self.instances.len() <= place {
            self.instances.resize(place + 1, Ends::EMPTY);
        }
        let index = self.occupy(connection, &idle);
        self.links_of_all.append(&mut self.all, index);
        let of_instance = &mut self.instances[place];
        self.links_of_instances.append(of_instance, index);
        let surplus = if of_instance.len() > idle.max_idle {
            of_instance.oldest()
        } else if self.all.len() > self.max_idle {
            self.all.oldest()
        } else {
            None
        };
        (Some(Ticket(index)), surplus.and_then(|index| self.remove(index)))
    }

    /// Forgets a connection that has ended by itself.
    pub fn discard(&mut self, ticket: Ticket) -> Option<T> {
        self.remove(ticket.0)
    }

    /// So many connections, or all there are: those that were idle longest.
    pub fn evict(&mut self, most: usize) -> Vec<T> {
        (0..most).map_while(|_| self.remove(self.all.oldest()?)).collect()
    }

    /// Removes at most so many of the connections that have been idle too long.
    pub fn expired(&mut self, now: u64, most: usize) -> Vec<T> {
        let mut removed = Vec::new();
        let mut next = self.all.oldest();
        while let Some(index) = next.filter(|_| removed.len() < most) {
            next = self.links_of_all.newer(index);
            if self.slots[index as usize].until <= now {
                removed.extend(self.remove(index));
            }
        }
        removed
    }

    /// The connections, the one idle longest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let indices = std::iter::successors(self.all.oldest(), |&index| self.links_of_all.newer(index));
        indices.filter_map(|index| self.slots[index as usize].connection.as_ref())
    }

    fn occupy(&mut self, connection: T, idle: &Idle) -> u32 {
        let slot = Slot { connection: Some(connection), instance: idle.instance, until: idle.until };
        if let Some(index) = self.free.pop() {
            self.slots[index as usize] = slot;
            return index;
        }
        let index = self.slots.len() as u32;
        self.slots.push(slot);
        self.links_of_all.cover(index);
        self.links_of_instances.cover(index);
        index
    }

    fn remove(&mut self, index: u32) -> Option<T> {
        let slot = self.slots.get_mut(index as usize)?;
        let connection = slot.connection.take()?;
        self.links_of_all.remove(&mut self.all, index);
        self.links_of_instances.remove(&mut self.instances[slot.instance.slot as usize], index);
        self.free.push(index);
        Some(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn idle(slot: u32, generation: u32) -> Idle {
        Idle { instance: Instance { slot, generation }, max_idle: 64, until: 1 }
    }

    /// A thousand instances after one another in the same places leave nothing that grows with their number.
    #[test]
    fn instances_that_come_and_go_leave_nothing() {
        let mut pool = Pool::new(1024);
        for number in 0..1000 {
            let one = idle(number % 10, number);
            assert!(pool.give(number, one).1.is_none());
            assert_eq!(pool.take(one.instance), Some(number));
        }
        assert!(pool.is_empty());
        assert_eq!((pool.instances.len(), pool.slots.len()), (10, 1));
    }

    /// A connection to the instance that had the place before is never taken for one to its successor, and goes when it was idle
    /// too long.
    #[test]
    fn a_connection_leads_to_its_own_instance_only() {
        let (mut pool, before, after) = (Pool::new(1024), idle(3, 1), idle(3, 2));
        pool.give("before", before);
        assert_eq!(pool.take(after.instance), None);
        pool.give("after", Idle { until: 2, ..after });
        pool.give("straggler", before);
        assert_eq!(pool.take(after.instance), Some("after"));
        assert_eq!(pool.take(before.instance), Some("straggler"));
        assert_eq!(pool.expired(1, 9), ["before"]);
        assert!(pool.is_empty());
    }

    /// The ticket of a connection that was taken leads nowhere.
    #[test]
    fn a_ticket_ends_with_the_stay() {
        let mut pool = Pool::new(1024);
        let (ticket, _) = pool.give('a', idle(0, 0));
        assert_eq!(pool.take(idle(0, 0).instance), Some('a'));
        assert_eq!(ticket.and_then(|ticket| pool.discard(ticket)), None);
        assert!(pool.is_empty());
    }

    /// A connection and what the pool must know of it lie in half a cache line.
    #[test]
    fn slots_are_small() {
        assert_eq!(size_of::<Slot<Box<u8>>>(), 32);
    }
}
