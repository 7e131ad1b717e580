//! The routes of one host and path, in the order in which they are asked.

use super::conditions::Conditions;
use super::RouteMatch;

/// What decides between routes of one host and path, from the weightiest on: is the method named, how many header fields
/// and cookies, how many query parameters, are clients named, are listeners named? The more is asked, the earlier.
pub(super) type Rank = (bool, usize, usize, bool, bool);

/// One route of a host and path.
#[derive(Debug)]
pub(super) struct Rule {
    route: u32,
    /// Empty for all.
    methods: Box<[Box<[u8]>]>,
    /// Most routes have none: a plain one costs two branches.
    conditions: Option<Box<Conditions>>,
}

impl Rule {
    pub(super) fn new(route: &RouteMatch<'_>, number: u32) -> Self {
        Self {
            route: number,
            methods: route.methods.iter().map(|method| method.as_bytes().into()).collect(),
            conditions: route.conditions.filter(|it| !it.is_empty()).map(|it| Box::new(it.clone())),
        }
    }

    fn plain(route: u32) -> Self {
        Self { route, methods: Box::default(), conditions: None }
    }

    fn is_plain(&self) -> bool {
        self.methods.is_empty() && self.conditions.is_none()
    }

    pub(super) fn rank(&self) -> Rank {
        let (fields, parameters, clients, listeners) =
            self.conditions.as_ref().map_or((0, 0, false, false), |conditions| conditions.rank());
        (!self.methods.is_empty(), fields, parameters, clients, listeners)
    }

    /// The route, if it takes the method and `met` says so of its conditions.
    #[inline]
    pub(super) fn find(&self, method: &[u8], met: &impl Fn(&Conditions) -> bool) -> Option<u32> {
        let takes = self.methods.is_empty() || self.methods.iter().any(|name| **name == *method);
        (takes && self.conditions.as_ref().is_none_or(|conditions| met(conditions))).then_some(self.route)
    }
}

/// Puts a rule behind those that are asked before it. Routes come in the order of the file, which decides at last.
pub(super) fn insert<T>(list: &mut Vec<T>, new: T, rank: impl Fn(&T) -> Rank) {
    let place = list.partition_point(|other| rank(other) >= rank(&new));
    list.insert(place, new);
}

/// The routes of one host and path.
#[derive(Debug)]
pub(super) enum Rules {
    /// One that takes every request: it is told without another look into memory.
    Plain(u32),
    /// Any.
    Several(Vec<Rule>),
}

impl Default for Rules {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Rules {
    pub(super) fn add(&mut self, rule: Rule) {
        let mut rules = match std::mem::take(self) {
            Self::Plain(route) => vec![Rule::plain(route)],
            Self::Several(rules) => rules,
        };
        insert(&mut rules, rule, Rule::rank);
        *self = match &rules[..] {
            [rule] if rule.is_plain() => Self::Plain(rule.route),
            _ => Self::Several(rules),
        };
    }

    #[inline]
    pub(super) fn find(&self, method: &[u8], met: &impl Fn(&Conditions) -> bool) -> Option<u32> {
        match self {
            Self::Plain(route) => Some(*route),
            Self::Several(rules) => rules.iter().find_map(|rule| rule.find(method, met)),
        }
    }
}
