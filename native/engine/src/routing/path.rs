//! The routes of one host: exact paths, prefixes by segments, and within a path the methods.

use memchr::{memchr_iter, memrchr};

use super::ByName;

/// The routes of one host pattern.
#[derive(Debug, Default)]
pub(super) struct PathRoutes {
    exact: ByName<MethodRoutes>,
    /// By the part before `/*`, so `/*` itself is the empty name.
    prefix: ByName<MethodRoutes>,
    any: MethodRoutes,
    /// The most segments that a prefix has.
    deepest: usize,
    /// The most bytes that a prefix has: longer beginnings of a path need no look, whatever a client sends.
    longest: usize,
}

impl PathRoutes {
    pub(super) fn add(
        &mut self,
        path: Option<&str>,
        methods: &[String],
        route: u32,
    ) -> Result<(), &'static str> {
        let routes = match path {
            None => &mut self.any,
            Some(path) if !path.starts_with('/') => return Err("the path does not start with '/'"),
            Some(path) => match path.strip_suffix("/*") {
                None => self.exact.entry(path.as_bytes().into()).or_default(),
                Some(prefix) => {
                    self.deepest = self.deepest.max(memchr_iter(b'/', prefix.as_bytes()).count());
                    self.longest = self.longest.max(prefix.len());
                    self.prefix.entry(prefix.as_bytes().into()).or_default()
                }
            },
        };
        routes.add(methods, route);
        Ok(())
    }

    pub(super) fn find(&self, path: &[u8], method: &[u8]) -> Option<u32> {
        self.find_exact(path, method)
            .or_else(|| self.find_prefix(path, method))
            .or_else(|| self.any.find(method))
    }

    fn find_exact(&self, path: &[u8], method: &[u8]) -> Option<u32> {
        self.exact.get(path)?.find(method)
    }

    /// Looks the path's beginnings up that end before a slash or with the path, from the deepest to the empty one.
    fn find_prefix(&self, path: &[u8], method: &[u8]) -> Option<u32> {
        if self.prefix.is_empty() {
            return None;
        }
        let mut end = memchr_iter(b'/', path).nth(self.deepest).unwrap_or(path.len());
        loop {
            let beginning = &path[..end];
            if end <= self.longest {
                if let Some(route) = self.prefix.get(beginning).and_then(|routes| routes.find(method)) {
                    return Some(route);
                }
            }
            end = memrchr(b'/', beginning)?;
        }
    }
}

/// The routes of one host and path.
#[derive(Debug, Default)]
struct MethodRoutes {
    /// Sorted by method; each method with the earliest route that names it.
    named: Vec<(Box<[u8]>, u32)>,
    /// The earliest route without a list of methods.
    any: Option<u32>,
}

impl MethodRoutes {
    /// Routes come in the order of the file, so the first that takes a place keeps it.
    fn add(&mut self, methods: &[String], route: u32) {
        if methods.is_empty() {
            self.any.get_or_insert(route);
        }
        for method in methods {
            if let Err(place) = self.search(method.as_bytes()) {
                self.named.insert(place, (method.as_bytes().into(), route));
            }
        }
    }

    fn find(&self, method: &[u8]) -> Option<u32> {
        self.search(method).map_or(self.any, |place| Some(self.named[place].1))
    }

    fn search(&self, method: &[u8]) -> Result<usize, usize> {
        self.named.binary_search_by(|(name, _)| (**name).cmp(method))
    }
}
