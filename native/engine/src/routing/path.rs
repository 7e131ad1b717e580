//! The routes of one host: exact paths, patterns, and prefixes by segments.

use memchr::{memchr_iter, memrchr};

use super::by_path::ByPath;
use super::conditions::Conditions;
use super::rules::{insert, Rule, Rules};
use super::RouteMatch;
use crate::pattern::Pattern;

/// The routes of one host pattern.
#[derive(Debug, Default)]
pub(super) struct PathRoutes {
    exact: ByPath,
    /// No pattern is more specific than another: they are tried one after the other, as rules of one path.
    patterns: Vec<(Pattern, Rule)>,
    /// By the part before `/*`, so `/*` itself is the empty name.
    prefix: ByPath,
    any: Rules,
    /// The most segments that a prefix has.
    deepest: usize,
    /// The most bytes that a prefix has: longer beginnings of a path need no look, whatever a client sends.
    longest: usize,
}

impl PathRoutes {
    pub(super) fn add(&mut self, route: &RouteMatch<'_>, rule: Rule) -> Result<(), &'static str> {
        match (route.path, route.pattern) {
            (Some(_), Some(_)) => return Err("the path is given twice"),
            (None, Some(pattern)) => {
                insert(&mut self.patterns, (pattern.clone(), rule), |(_, rule)| rule.rank());
            }
            (None, None) => self.any.add(rule),
            (Some(path), None) if !path.starts_with('/') => return Err("the path does not start with '/'"),
            (Some(path), None) => self.rules_of(path).add(rule),
        }
        Ok(())
    }

    fn rules_of(&mut self, path: &str) -> &mut Rules {
        let Some(prefix) = path.strip_suffix("/*") else {
            return self.exact.of(path.as_bytes());
        };
        self.deepest = self.deepest.max(memchr_iter(b'/', prefix.as_bytes()).count());
        self.longest = self.longest.max(prefix.len());
        self.prefix.of(prefix.as_bytes())
    }

    pub(super) fn find(&self, path: &[u8], method: &[u8], met: &impl Fn(&Conditions) -> bool) -> Option<u32> {
        let find = |rules: &Rules| rules.find(method, met);
        let by_pattern = || {
            let fits = |(pattern, rule): &(Pattern, Rule)| {
                // The expression last: all else is told sooner.
                rule.find(method, met).filter(|_| pattern.matches(path))
            };
            self.patterns.iter().find_map(fits)
        };
        let exact = self.exact.get(path).and_then(find);
        exact.or_else(by_pattern).or_else(|| self.find_prefix(path, find)).or_else(|| find(&self.any))
    }

    /// Looks the path's beginnings up that end before a slash or with the path, from the deepest to the empty one.
    fn find_prefix(&self, path: &[u8], find: impl Fn(&Rules) -> Option<u32>) -> Option<u32> {
        if self.prefix.is_empty() {
            return None;
        }
        let mut end = memchr_iter(b'/', path).nth(self.deepest).unwrap_or(path.len());
        loop {
            let beginning = &path[..end];
            if end <= self.longest {
                if let Some(route) = self.prefix.get(beginning).and_then(&find) {
                    return Some(route);
                }
            }
            end = memrchr(b'/', beginning)?;
        }
    }
}
