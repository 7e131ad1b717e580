//! Idle connections to instances: the one used last is taken first, the one idle longest goes when there are too many.
//!
//! The pool decides and does no I/O: what it returns is the caller's, to use or to close. Every operation but the
//! sweep takes constant time: the connections are linked twice, per instance and over all, by the order of their
//! return.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Where an idle connection stands; good until the connection has left the pool, by whatever way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u32);

/// What the pool must know of a connection that is given back.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// Key of the instance it leads to.
    pub instance: u64,
    /// Idle connections kept for that instance.
    pub max_idle: usize,
    /// When it has been idle too long, in nanoseconds.
    pub until: u64,
}

const NONE: u32 = u32::MAX;

/// Both ends of a list of slots, and its length.
#[derive(Clone, Copy, Debug)]
struct List {
    oldest: u32,
    newest: u32,
    len: usize,
}

const EMPTY: List = List { oldest: NONE, newest: NONE, len: 0 };

/// A slot's neighbours in one list.
#[derive(Clone, Copy, Debug)]
struct Link {
    older: u32,
    newer: u32,
}

/// The two orders that a slot stands in.
#[derive(Clone, Copy, Debug)]
enum Order {
    OfInstance,
    OfAll,
}

#[derive(Debug)]
struct Slot<T> {
    connection: Option<T>,
    instance: u64,
    until: u64,
    links: [Link; 2],
}

/// The idle connections of one worker.
#[derive(Debug)]
pub struct Pool<T> {
    max_idle: usize,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    all: List,
    instances: HashMap<u64, List, FixedState>,
}

impl<T> Pool<T> {
    /// A pool of at most `max_idle` connections over all instances.
    pub fn new(max_idle: usize) -> Self {
        let instances = HashMap::with_hasher(FixedState::default());
        Self { max_idle, slots: Vec::new(), free: Vec::new(), all: EMPTY, instances }
    }

    /// Idle connections.
    pub fn len(&self) -> usize {
        self.all.len
    }

    /// Instances that they lead to.
    pub fn instances(&self) -> usize {
        self.instances.values().filter(|list| list.len > 0).count()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The connection to the instance that was used last.
    pub fn take(&mut self, instance: u64) -> Option<T> {
        let newest = self.instances.get(&instance)?.newest;
        self.remove(newest)
    }

    /// Takes a connection that stands at a message boundary, and returns the one there is too many, if any.
    pub fn give(&mut self, connection: T, idle: Idle) -> (Option<Ticket>, Option<T>) {
        if idle.max_idle == 0 || self.max_idle == 0 {
            return (None, Some(connection));
        }
        let index = self.occupy(connection, &idle);
        self.append(Order::OfAll, index);
        self.append(Order::OfInstance, index);
        let of_instance = self.instances.get(&idle.instance).copied().unwrap_or(EMPTY);
        let surplus = if of_instance.len > idle.max_idle {
            self.remove(of_instance.oldest)
        } else if self.all.len > self.max_idle {
            self.remove(self.all.oldest)
        } else {
            None
        };
        (Some(Ticket(index)), surplus)
    }

    /// Forgets a connection that has ended by itself.
    pub fn discard(&mut self, ticket: Ticket) -> Option<T> {
        self.remove(ticket.0)
    }

    /// So many connections, or all there are: those that were idle longest.
    pub fn evict(&mut self, most: usize) -> Vec<T> {
        (0..most).map_while(|_| self.remove(self.all.oldest)).collect()
    }

    /// Removes at most so many of the connections that have been idle too long.
    pub fn expired(&mut self, now: u64, most: usize) -> Vec<T> {
        let mut removed = Vec::new();
        let mut next = self.all.oldest;
        while let Some(slot) = self.slots.get(next as usize) {
            let (index, over) = (next, slot.until <= now);
            next = slot.links[Order::OfAll as usize].newer;
            if removed.len() == most {
                break;
            }
            if over {
                removed.extend(self.remove(index));
            }
        }
        // `take` leaves an empty list for the connection that comes back; it may never, with its instance gone.
        self.instances.retain(|_, list| list.len > 0);
        removed
    }

    /// The connections, the one idle longest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let mut next = self.all.oldest;
        std::iter::from_fn(move || {
            let slot = self.slots.get(next as usize)?;
            next = slot.links[Order::OfAll as usize].newer;
            slot.connection.as_ref()
        })
    }

    fn occupy(&mut self, connection: T, idle: &Idle) -> u32 {
        let alone = Link { older: NONE, newer: NONE };
        let slot = Slot {
            connection: Some(connection),
            instance: idle.instance,
            until: idle.until,
            links: [alone; 2],
        };
        if let Some(index) = self.free.pop() {
            self.slots[index as usize] = slot;
            return index;
        }
        self.slots.push(slot);
        (self.slots.len() - 1) as u32
    }

    fn remove(&mut self, index: u32) -> Option<T> {
        let connection = self.slots.get_mut(index as usize)?.connection.take()?;
        self.unlink(Order::OfAll, index);
        self.unlink(Order::OfInstance, index);
        self.free.push(index);
        Some(connection)
    }

    fn list(&mut self, order: Order, index: u32) -> &mut List {
        match order {
            Order::OfAll => &mut self.all,
            Order::OfInstance => self.instances.entry(self.slots[index as usize].instance).or_insert(EMPTY),
        }
    }

    fn append(&mut self, order: Order, index: u32) {
        let list = self.list(order, index);
        let older = std::mem::replace(&mut list.newest, index);
        list.len += 1;
        if older == NONE {
            list.oldest = index;
        } else {
            self.slots[older as usize].links[order as usize].newer = index;
        }
        self.slots[index as usize].links[order as usize] = Link { older, newer: NONE };
    }

    fn unlink(&mut self, order: Order, index: u32) {
        let Link { older, newer } = self.slots[index as usize].links[order as usize];
        let list = self.list(order, index);
        list.len -= 1;
        if older == NONE {
            list.oldest = newer;
        }
        if newer == NONE {
            list.newest = older;
        }
        if let Some(slot) = self.slots.get_mut(older as usize) {
            slot.links[order as usize].newer = newer;
        }
        if let Some(slot) = self.slots.get_mut(newer as usize) {
            slot.links[order as usize].older = older;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Idle = Idle { instance: 0, max_idle: 64, until: 1 };

    /// A thousand instances, each used once and lost while it served, are forgotten, and their slots used again.
    #[test]
    fn instances_that_come_and_go_leave_nothing() {
        let mut pool = Pool::new(1024);
        for instance in 0..1000 {
            assert!(pool.give(instance, Idle { instance, ..IDLE }).1.is_none());
            assert_eq!(pool.take(instance), Some(instance));
        }
        assert!(pool.expired(0, 1).is_empty());
        assert!(pool.instances.is_empty());
        assert_eq!(pool.slots.len(), 1);
    }

    /// The ticket of a connection that was taken leads nowhere.
    #[test]
    fn a_ticket_ends_with_the_stay() {
        let mut pool = Pool::new(1024);
        let (ticket, _) = pool.give('a', IDLE);
        assert_eq!(pool.take(0), Some('a'));
        assert_eq!(ticket.and_then(|ticket| pool.discard(ticket)), None);
        assert!(pool.is_empty());
    }
}
