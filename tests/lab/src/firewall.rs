//! Loss, black holes and translated addresses by nftables, inside the lab's own network. The rule's counter is the oracle: it
//! knows exactly how many packets are missing.

use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::Lab;
use crate::namespace::run;

/// RTP and not RTCP: version 2, payload type outside 72-76 (RFC 5761 section 4).
const RTP: &str = "meta l4proto udp @th,64,2 2 @th,72,8 != 200-204";

/// A rule that holds until it is lifted or dropped itself.
pub struct Rule {
    lab: Lab,
    table: String,
}

impl Lab {
    /// Drops `percent` of all RTP packets by chance (needs "namespace" and "nft").
    pub fn lose_rtp(&self, percent: u32) -> Result<Rule> {
        // nft refuses an expression that is always true.
        let chance = if percent < 100 { format!("numgen random mod 100 < {percent}") } else { String::new() };
        self.drop_packets(&format!("{RTP} {chance}"))
    }

    /// Drops exactly every `n`-th RTP packet (needs "namespace" and "nft").
    pub fn lose_every_nth_rtp(&self, n: u32) -> Result<Rule> {
        self.drop_packets(&format!("{RTP} numgen inc mod {n} == 0"))
    }

    /// Swallows everything sent to this address: connecting to it hangs (needs "namespace" and "nft").
    pub fn black_hole(&self, address: &str) -> Result<Rule> {
        let family = if address.contains(':') { "ip6" } else { "ip" };
        self.drop_packets(&format!("{family} daddr {address}"))
    }

    /// Sends TCP that is meant for `virtual_address` to `real_server` instead, as a balancer does that translates addresses (IPv4;
    /// needs "namespace" and "nft"). UDP is left alone: here clients have the same addresses as servers.
    pub fn translate(&self, virtual_address: &str, real_server: &str) -> Result<Rule> {
        let table = self.name("translate").replace('-', "_");
        let text = format!(
            "table inet {table} {{
               chain out {{
                 type nat hook output priority -100
                 ip daddr {virtual_address} meta l4proto tcp dnat ip to {real_server}
               }}
             }}\n"
        );
        self.load(table, &text)
    }

    /// Drops what matches this expression of nft(8).
    pub fn drop_packets(&self, matching: &str) -> Result<Rule> {
        let table = self.name("drop").replace('-', "_");
        // On the way in: a drop on the way out is told to the sender.
        let text = format!(
            "table inet {table} {{
               counter dropped {{ }}
               chain in {{
                 type filter hook input priority 0
                 {matching} counter name dropped drop
               }}
             }}\n"
        );
        self.load(table, &text)
    }

    /// Loads a table, which goes with the rule.
    fn load(&self, table: String, text: &str) -> Result<Rule> {
        if !self.is_private() {
            bail!(
                "rules are only made in a private network: ask for it with Lab::for_test(&[\"namespace\"])"
            );
        }
        let mut nft = self.command("nft");
        let mut child = nft.args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("pipe to nft")?.write_all(text.as_bytes())?;
        let out = child.wait_with_output()?;
        if !out.status.success() {
            bail!("nft refuses {text}: {}", String::from_utf8_lossy(&out.stderr));
        }
        Ok(Rule { lab: self.clone(), table })
    }
}

impl Rule {
    /// Packets dropped so far.
    pub fn dropped(&self) -> Result<u64> {
        let text = run(self.lab.command("nft").args(["list", "counter", "inet", &self.table, "dropped"]))?;
        let mut words = text.split_whitespace().skip_while(|word| *word != "packets").skip(1);
        words.next().and_then(|number| number.parse().ok()).with_context(|| format!("no counter in {text}"))
    }

    /// Ends the rule.
    pub fn lift(self) {
        drop(self);
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        let _ = run(self.lab.command("nft").args(["delete", "table", "inet", &self.table]));
    }
}
