//! The operator's own pages, by the status code that they stand for.

/// What clients get in place of the gateway's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The value of `Content-Type`.
    pub content_type: Box<str>,
    /// The whole body.
    pub body: Box<[u8]>,
}

/// All pages of a configuration; there are few, and only failures look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pages(Vec<(u16, Page)>);

impl Pages {
    /// The page of a status code.
    pub fn find(&self, status: u16) -> Option<&Page> {
        self.0.iter().find(|(of, _)| *of == status).map(|(_, page)| page)
    }
}

impl FromIterator<(u16, Page)> for Pages {
    fn from_iter<I: IntoIterator<Item = (u16, Page)>>(pages: I) -> Self {
        Self(pages.into_iter().collect())
    }
}
