//! The page `client_list`: how many connections clients hold open.

use super::{Page, PageError, blocks};

/// The sums of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clients {
    /// Addresses that have asked; a client of two workers counts twice.
    pub addresses: u64,
    /// Connections that are open now.
    pub connections: u64,
}

impl Clients {
    /// Reads the page.
    ///
    /// # Errors
    /// When it is another page or cut off.
    pub fn parse(text: &str) -> Result<Self, PageError> {
        Page::ClientList.check(text)?;
        let mut sums = Self::default();
        for line in blocks::split(Page::ClientList.name(), text)?.into_iter().flat_map(str::lines) {
            if line.starts_with("Address:") {
                sums.addresses += 1;
            } else if let Some(count) = line.strip_prefix("Currently established connections:") {
                sums.connections = sums.connections.saturating_add(count.trim().parse().unwrap_or(0));
            }
        }
        Ok(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_summed() {
        let text = include_str!("../../testdata/squid/5.7-client_list.txt");
        assert_eq!(Clients::parse(text).unwrap(), Clients { addresses: 1, connections: 1 });
    }
}
