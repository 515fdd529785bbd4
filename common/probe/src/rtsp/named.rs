//! The hosts that a server names on the way: behind a balancer that should be nobody but the virtual address.

use std::net::IpAddr;

use url::Url;
use weir_wire::sdp::Description;

/// Where a host was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `Location` of a redirect: clients go there.
    Redirect,
    /// `Content-Base` or `Content-Location`: what clients ask for from here on begins with it.
    Base,
    /// `a=control` of a track or of all: clients ask for it.
    Control,
    /// `source` of `Transport`, for UDP: media comes from there.
    Source,
    /// `source` of `Transport`, for TCP: nobody looks at it.
    SourceOfTcp,
    /// `c=` of the description.
    Connection,
    /// `o=` of the description.
    Origin,
}

impl Place {
    /// How a sentence about it begins.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Redirect => "the server redirects to",
            Self::Base => "Content-Base is",
            Self::Control => "a=control is",
            Self::Source | Self::SourceOfTcp => "Transport names as source",
            Self::Connection => "c= of the description is",
            Self::Origin => "o= of the description names",
        }
    }

    /// Whether clients go there, ask for it, or get media from there; the others only show.
    pub const fn is_followed(self) -> bool {
        matches!(self, Self::Redirect | Self::Base | Self::Control | Self::Source)
    }
}

/// A host that was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Where.
    pub place: Place,
    /// The host: a name or an address, without brackets.
    pub host: String,
    /// Its port, where one belongs to it.
    pub port: Option<u16>,
    /// As it was written.
    pub text: String,
}

impl Named {
    /// A host of a URL; relative ones and those of other schemes name none.
    pub(super) fn url(place: Place, text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let default = match url.scheme() {
            "rtsp" | "rtspu" => 554,
            "rtsps" => 322,
            _ => return None,
        };
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        let port = Some(url.port().unwrap_or(default));
        let text = weir_contract::text::redact(text).into_owned();
        (!host.is_empty()).then_some(Self { place, host, port, text })
    }

    /// An address or name that stands alone. Addresses that mean "wherever you ask", "myself" or a group name no host, and a name
    /// without a dot is one that servers have given themselves.
    pub(super) fn address(place: Place, text: &str) -> Option<Self> {
        // A group has its TTL behind it.
        let host = text.split('/').next().unwrap_or_default().trim().trim_matches(['[', ']']);
        let names = if let Ok(ip) = host.parse::<IpAddr>() {
            let ip = ip.to_canonical();
            !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast())
        } else {
            let domain = host.rsplit_once('.').map(|(_, last)| last.to_ascii_lowercase());
            domain.is_some_and(|domain| !matches!(domain.as_str(), "local" | "localdomain"))
        };
        names.then(|| Self { place, host: host.to_owned(), port: None, text: host.to_owned() })
    }

    /// What a description names.
    pub(super) fn of_description(description: &Description) -> impl Iterator<Item = Self> {
        let sections = || {
            std::iter::once(&description.common).chain(description.media.iter().map(|media| &media.section))
        };
        let connections = sections().filter_map(|section| section.connection.as_deref());
        let connections = connections.filter_map(|text| Self::address(Place::Connection, text));
        let controls = sections().filter_map(|section| section.attribute("control"));
        let controls = controls.filter_map(|text| Self::url(Place::Control, text));
        let origin = description.origin.split_whitespace().nth(5);
        controls.chain(connections).chain(origin.and_then(|text| Self::address(Place::Origin, text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_no_host_in_particular_names_none() {
        let silent = [
            "0.0.0.0",
            "::",
            "127.0.0.1",
            "127.0.1.1",
            "::1",
            "::ffff:127.0.0.1",
            "233.252.0.1/127",
            "ff02::1",
            "vm",
            "localhost",
            "localhost.localdomain",
            "streamer.local",
            "",
        ];
        for text in silent {
            assert_eq!(Named::address(Place::Origin, text), None, "{text}");
        }
        for (text, host) in
            [("192.0.2.7", "192.0.2.7"), ("2001:db8::7", "2001:db8::7"), ("a.example", "a.example")]
        {
            let named = Named::address(Place::Connection, text).map(|named| named.host);
            assert_eq!(named.as_deref(), Some(host));
        }
    }

    #[test]
    fn absolute_urls_name_their_host_and_port() {
        let port = |text: &str| Named::url(Place::Control, text).and_then(|named| named.port);
        assert_eq!(port("rtsp://192.0.2.7/live/trackID=1"), Some(554));
        assert_eq!(port("rtsps://[2001:db8::7]:8554/"), Some(8554));
        for text in ["*", "track1", "streamid=0", "http://192.0.2.7/", "rtsp:///x"] {
            assert_eq!(Named::url(Place::Control, text), None, "{text}");
        }
    }

    #[test]
    fn a_description_is_looked_through() {
        let text = b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\nc=IN IP4 0.0.0.0\r\na=control:rtsp://192.0.2.7/a\r\n\
            m=audio 0 RTP/AVP 0\r\nc=IN IP4 192.0.2.8\r\na=control:track1\r\n";
        let description = weir_wire::sdp::parse(text).expect("a description");
        let named: Vec<(Place, String)> =
            Named::of_description(&description).map(|named| (named.place, named.host)).collect();
        let expected =
            [(Place::Control, "192.0.2.7"), (Place::Connection, "192.0.2.8"), (Place::Origin, "192.0.2.9")];
        assert_eq!(named, expected.map(|(place, host)| (place, host.to_owned())));
    }
}
