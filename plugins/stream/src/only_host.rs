//! `--only-host`: behind a balancer, nobody but the virtual address may be named to clients.

use std::net::IpAddr;

use clap::Args;
use url::Url;
use weir_contract::text::redact;
use weir_contract::{Finding, Outcome, State, fault};

use crate::target::Target;

/// The hosts that may be named.
#[derive(Args, Clone, Debug, Default)]
pub struct OnlyHostArgs {
    /// Critical when clients are led to another host: the virtual address (or its name) behind which real servers must stay
    /// unseen. With :PORT only that port. Repeatable.
    #[arg(long, value_name = "HOST")]
    only_host: Vec<String>,
}

impl OnlyHostArgs {
    /// Whether any host may be named.
    pub fn is_empty(&self) -> bool {
        self.only_host.is_empty()
    }

    /// The options again, for another check.
    pub fn words(&self) -> impl Iterator<Item = String> {
        self.only_host.iter().flat_map(|host| ["--only-host".to_owned(), host.clone()])
    }

    /// Whether a host, with the port that belongs to it, may be named.
    pub fn allows(&self, host: &str, port: Option<u16>) -> bool {
        let host = host.trim_matches(['[', ']']);
        self.is_empty() || self.only_host.iter().any(|allowed| is(allowed, host, port))
    }

    /// Finds where clients of `target` at `address` were led to: the first URL of each host that may not be named, and for what.
    pub fn judge<'a>(
        &self,
        outcome: &mut Outcome,
        target: &Target,
        address: IpAddr,
        urls: impl IntoIterator<Item = (&'static str, &'a Url)>,
    ) {
        let ours = self.allows(target.host(), target.url.port());
        let mut known = vec![target.url.origin()];
        for (what, url) in urls {
            let host = url.host_str().unwrap_or_default();
            let is_ours = ours && host.trim_matches(['[', ']']).parse() == Ok(address);
            if known.contains(&url.origin()) || is_ours || self.allows(host, url.port_or_known_default()) {
                continue;
            }
            known.push(url.origin());
            outcome
                .findings
                .push(self.leak(&format!("clients are led for the {what} to"), &redact(url.as_str())));
        }
    }

    /// What is wrong when something that must not be named was: `what` begins the sentence, `named` ends it.
    pub fn leak(&self, what: &str, named: &str) -> Finding {
        let text = format!("{what} {named}, only {} may be named", self.only_host.join(", "));
        Finding { fault: &fault::VIP_LEAK, state: State::Critical, subject: String::new(), text }
    }
}

/// `vip.example.net`, `192.0.2.1:554`, `[2001:db8::1]:554`: a port that is given counts where one is named.
fn is(allowed: &str, host: &str, port: Option<u16>) -> bool {
    let same = |allowed: &str| {
        let allowed = allowed.trim_matches(['[', ']']);
        let ip = |text: &str| text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        allowed.eq_ignore_ascii_case(host) || ip(allowed).is_some_and(|allowed| ip(host) == Some(allowed))
    };
    let with_port = allowed.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    match with_port.and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?))) {
        Some((allowed, wanted)) => same(allowed) && port.is_none_or(|port| port == wanted),
        None => same(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(hosts: &[&str]) -> OnlyHostArgs {
        OnlyHostArgs { only_host: hosts.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn a_host_is_compared_by_name_address_and_port() {
        let hosts = only(&["VIP.example.net", "192.0.2.10:554", "2001:db8::10", "[2001:db8::11]:554"]);
        for (host, port) in [
            ("vip.example.net", Some(80)),
            ("192.0.2.10", Some(554)),
            ("192.0.2.10", None),
            ("::ffff:192.0.2.10", None),
            ("[2001:db8:0::10]", Some(1)),
            ("2001:db8::11", Some(554)),
        ] {
            assert!(hosts.allows(host, port), "{host} {port:?}");
        }
        for (host, port) in
            [("192.0.2.10", Some(80)), ("192.0.2.1", None), ("2001:db8::11", Some(80)), ("vip.example", None)]
        {
            assert!(!hosts.allows(host, port), "{host} {port:?}");
        }
        assert!(only(&[]).allows("192.0.2.1", None), "nothing asked for");
    }
}
