//! One DNS question and its answer (RFC 1035), with the name server identifier (NSID, RFC 5001) and the class CHAOS that
//! tell which of many anycast nodes has answered. Names of addresses and addresses of names are read as a resolver gives them; to
//! follow referrals is not the business of this room.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An answer of more bytes is not read: the size that the question offers (EDNS0, RFC 6891).
pub const REPLY_MAX: usize = 1232;
/// The longest name.
const NAME_MAX: usize = 255;
/// Records looked at in one answer.
const RECORDS_MAX: usize = 64;
/// The NSID option of EDNS0.
const NSID: u16 = 3;
/// The pseudo record that carries EDNS0.
const OPT: u16 = 41;

/// Record types and classes that a question may name.
pub mod code {
    /// Type A.
    pub const A: u16 = 1;
    /// Type SOA.
    pub const SOA: u16 = 6;
    /// Type PTR.
    pub const PTR: u16 = 12;
    /// Type TXT.
    pub const TXT: u16 = 16;
    /// Type AAAA.
    pub const AAAA: u16 = 28;
    /// Class IN.
    pub const IN: u16 = 1;
    /// Class CHAOS: names such as `id.server` that a server answers about itself.
    pub const CH: u16 = 3;
}

/// A name that can stand in a question: labels of 1 to 63 bytes, 253 in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_suffix('.').unwrap_or(text);
        let fits = bare.is_empty()
            || (bare.len() <= 253
                && bare
                    .split('.')
                    .all(|l| (1..=63).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_graphic())));
        if fits { Ok(Self(bare.to_owned())) } else { Err(format!("`{text}` is no domain name")) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.", self.0)
    }
}

/// The bytes of a question with the request for an NSID.
pub fn question(id: u16, name: &Name, kind: u16, class: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + name.0.len());
    out.extend(id.to_be_bytes());
    // Flags 0: no recursion is wanted of an authoritative server. One question, one additional record.
    out.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    for label in name.0.split('.').filter(|l| !l.is_empty()) {
        #[allow(clippy::cast_possible_truncation, reason = "a Name has labels of at most 63 bytes")]
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out.extend(kind.to_be_bytes());
    out.extend(class.to_be_bytes());
    out.push(0); // the root, owner of OPT
    out.extend(OPT.to_be_bytes());
    #[allow(clippy::cast_possible_truncation, reason = "1232 fits")]
    out.extend((REPLY_MAX as u16).to_be_bytes());
    out.extend([0, 0, 0, 0, 0, 4]); // extended code, version, flags; length of the data
    out.extend(NSID.to_be_bytes());
    out.extend([0, 0]);
    out
}

/// A [`question`] for a resolver, which is to find the answer wherever it is (the bit "recursion desired").
pub fn question_for_resolver(id: u16, name: &Name, kind: u16) -> Vec<u8> {
    let mut out = question(id, name, kind, code::IN);
    out[2] |= 1;
    out
}

/// The name under which the DNS keeps the name of an address (RFC 1035 section 3.5, RFC 3596 section 2.5).
pub fn reverse_name(ip: IpAddr) -> Name {
    Name(match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(ip) => {
            let digits =
                ip.octets().into_iter().rev().map(|byte| format!("{:x}.{:x}.", byte & 15, byte >> 4));
            digits.collect::<Vec<_>>().concat() + "ip6.arpa"
        }
    })
}

/// What an answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The number of the question.
    pub id: u16,
    /// The response code, with the high bits of EDNS0: 0 is well.
    pub rcode: u16,
    /// Whether it was cut to fit.
    pub truncated: bool,
    /// How many records the answer section holds, by its header.
    pub answers: u16,
    /// The texts of TXT records in the answer section.
    pub texts: Vec<String>,
    /// The names of PTR records in the answer section, without the last dot.
    pub targets: Vec<String>,
    /// The addresses of A and AAAA records in the answer section.
    pub addresses: Vec<IpAddr>,
    /// The name server's identifier; as hexadecimal digits when it is not readable.
    pub nsid: Option<String>,
}

impl Answer {
    /// The response code in words.
    pub fn rcode_name(&self) -> String {
        match self.rcode {
            0 => "NOERROR".to_owned(),
            1 => "FORMERR".to_owned(),
            2 => "SERVFAIL".to_owned(),
            3 => "NXDOMAIN".to_owned(),
            4 => "NOTIMP".to_owned(),
            5 => "REFUSED".to_owned(),
            code => format!("RCODE{code}"),
        }
    }
}

/// Why bytes are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The message ends in the middle.
    #[error("the DNS message ends early, at byte {0}")]
    Short(usize),
    /// It is a question.
    #[error("the DNS message is a question, not an answer")]
    NoAnswer,
    /// A compression pointer does not lead backwards.
    #[error("the DNS message has a bad name at byte {0}")]
    BadName(usize),
}

/// Reads an answer.
///
/// # Errors
/// The place where it is broken.
pub fn parse(bytes: &[u8]) -> Result<Answer, Error> {
    let mut reader = Reader { bytes, at: 0 };
    let id = reader.u16()?;
    let flags = reader.u16()?;
    if flags & 0x8000 == 0 {
        return Err(Error::NoAnswer);
    }
    let counts = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
    let mut answer = Answer {
        id,
        rcode: flags & 0xf,
        truncated: flags & 0x0200 != 0,
        answers: counts[1],
        ..Answer::default()
    };
    for _ in 0..counts[0].min(4) {
        reader.name()?;
        reader.take(4)?;
    }
    let records = counts[1..].iter().map(|c| usize::from(*c)).sum::<usize>().min(RECORDS_MAX);
    for record in 0..records {
        if answer.truncated && reader.at == bytes.len() {
            break;
        }
        reader.name()?;
        let kind = reader.u16()?;
        reader.u16()?;
        let ttl = reader.take(4)?;
        let extended = ttl[0];
        let length = usize::from(reader.u16()?);
        let data = reader.take(length)?;
        match kind {
            OPT => {
                answer.rcode |= u16::from(extended) << 4;
                answer.nsid = nsid(data);
            }
            _ if record >= usize::from(counts[1]) => {}
            code::TXT => answer.texts.push(text(data)),
            code::PTR => answer.targets.push(whole_name(bytes, reader.at - length)?),
            code::A => answer.addresses.extend(data.first_chunk::<4>().map(|b| IpAddr::from(*b))),
            code::AAAA => answer.addresses.extend(data.first_chunk::<16>().map(|b| IpAddr::from(*b))),
            _ => {}
        }
    }
    Ok(answer)
}

/// The name at `at`, its pointers followed; they must lead backwards, so that they end. Bytes that are not printable become `?`.
fn whole_name(bytes: &[u8], mut at: usize) -> Result<String, Error> {
    let mut name = String::new();
    let mut limit = bytes.len();
    loop {
        let length = *bytes.get(at).ok_or(Error::Short(bytes.len()))?;
        match length {
            0 => return Ok(name),
            1..=63 => {
                let label = bytes.get(at + 1..=at + usize::from(length)).ok_or(Error::Short(bytes.len()))?;
                if !name.is_empty() {
                    name.push('.');
                }
                name.extend(label.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '?' }));
                at += 1 + usize::from(length);
                if name.len() > NAME_MAX {
                    return Err(Error::BadName(at));
                }
            }
            0xc0.. => {
                let low = *bytes.get(at + 1).ok_or(Error::Short(bytes.len()))?;
                let to = usize::from(length & 0x3f) << 8 | usize::from(low);
                if to >= limit.min(at) {
                    return Err(Error::BadName(at));
                }
                (at, limit) = (to, to);
            }
            _ => return Err(Error::BadName(at)),
        }
    }
}

/// The character strings of a TXT record, joined.
fn text(mut data: &[u8]) -> String {
    let mut out = Vec::new();
    while let Some((length, rest)) = data.split_first() {
        let end = usize::from(*length).min(rest.len());
        out.extend_from_slice(&rest[..end]);
        data = &rest[end..];
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn nsid(mut options: &[u8]) -> Option<String> {
    while let [c0, c1, l0, l1, rest @ ..] = options {
        let end = usize::from(u16::from_be_bytes([*l0, *l1])).min(rest.len());
        if u16::from_be_bytes([*c0, *c1]) == NSID && end > 0 {
            let value = &rest[..end];
            let readable = value.iter().all(|b| (b' '..=b'~').contains(b));
            let hex = || value.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
            return Some(if readable { String::from_utf8_lossy(value).into_owned() } else { hex() });
        }
        options = &rest[end..];
    }
    None
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let taken = self.bytes.get(self.at..self.at + count).ok_or(Error::Short(self.bytes.len()))?;
        self.at += count;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.take(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
    }

    /// Skips a name: nobody asks for it, so pointers need not be followed.
    fn name(&mut self) -> Result<(), Error> {
        loop {
            let length = self.take(1)?[0];
            match length {
                0 => return Ok(()),
                1..=63 => _ = self.take(usize::from(length))?,
                0xc0.. => return self.take(1).map(|_| ()),
                _ => return Err(Error::BadName(self.at - 1)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `query reply` in hexadecimal digits, recorded from Knot 3.2, NSD 4.6 and BIND 9.18.
    const DIALOGUES: &str = include_str!("../testdata/dns/nsid.txt");

    fn dialogues() -> Vec<(String, Vec<u8>, Vec<u8>)> {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len() / 2)
                .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex"))
                .collect()
        };
        let rows = DIALOGUES.lines().filter(|l| !l.starts_with('#'));
        rows.map(|row| {
            let words: Vec<&str> = row.split(' ').collect();
            (words[0].to_owned(), hex(words[1]), hex(words[2]))
        })
        .collect()
    }

    fn name(text: &str) -> Name {
        text.parse().expect("a name")
    }

    #[test]
    fn the_question_is_that_of_the_recording() {
        for (title, query, _) in dialogues() {
            let asked = if title.ends_with("chaos") {
                question(0x1234, &name("id.server"), code::TXT, code::CH)
            } else {
                question(0x1234, &name("anycast.test"), code::SOA, code::IN)
            };
            assert_eq!(asked, query, "{title}");
        }
    }

    #[test]
    fn three_servers_tell_who_they_are() {
        let seen: Vec<(String, Option<String>, Vec<String>)> = dialogues()
            .into_iter()
            .map(|(title, _, reply)| {
                let answer = parse(&reply).expect("an answer");
                assert_eq!((answer.id, answer.rcode, answer.answers), (0x1234, 0, 1), "{title}");
                (title, answer.nsid, answer.texts)
            })
            .collect();
        let wanted = [
            ("knot-chaos", "wix1", vec!["wix1.anycast.test"]),
            ("knot-soa", "wix1", vec![]),
            ("nsd-chaos", "ape1", vec!["ape1.anycast.test"]),
            ("nsd-soa", "ape1", vec![]),
            ("bind-chaos", "sfo1", vec!["sfo1"]),
            ("bind-soa", "sfo1", vec![]),
        ];
        for ((title, nsid, texts), (wanted_title, wanted_nsid, wanted_texts)) in seen.iter().zip(&wanted) {
            assert_eq!((title.as_str(), nsid.as_deref()), (*wanted_title, Some(*wanted_nsid)));
            assert_eq!(texts, wanted_texts, "{title}");
        }
        assert_eq!(seen.len(), wanted.len());
    }

    #[test]
    fn names_keep_to_the_rules() {
        assert!(Name::from_str("a..b").is_err() && Name::from_str(&"a".repeat(64)).is_err());
        assert_eq!(name(".").to_string(), ".");
    }

    /// Recorded from dnsmasq 2.90: the name of 192.0.2.1 with a pointer into the question, its address.
    #[test]
    fn a_resolver_tells_names_and_addresses() {
        let rows = include_str!("../testdata/dns/names.txt").lines().filter(|line| !line.starts_with('#'));
        let answers: Vec<Answer> = rows
            .map(|row| {
                let hex = |i: usize| u8::from_str_radix(&row[2 * i..2 * i + 2], 16).expect("hex");
                parse(&(0..row.len() / 2).map(hex).collect::<Vec<u8>>()).expect("an answer")
            })
            .collect();
        assert_eq!(answers[0].targets, ["vod.example.net"]);
        assert_eq!(answers[1].targets, ["v6.example.net"]);
        assert_eq!(answers[2].addresses, ["192.0.2.1".parse::<IpAddr>().expect("an address")]);
        assert_eq!(answers[3].addresses, ["2001:db8::1".parse::<IpAddr>().expect("an address")]);
        assert_eq!(reverse_name("192.0.2.1".parse().expect("ip")).to_string(), "1.2.0.192.in-addr.arpa.");
        let six = reverse_name("2001:db8::1".parse().expect("ip")).to_string();
        assert!(six.starts_with("1.0.0.0.") && six.ends_with("8.b.d.0.1.0.0.2.ip6.arpa."), "{six}");
    }

    #[test]
    fn a_name_that_points_at_itself_has_an_end() {
        let mut bytes = b"\0\x01\x81\x80\0\0\0\x01\0\0\0\0\0\0\x0c\0\x01\0\0\0\0\0\x02".to_vec();
        let at = u8::try_from(bytes.len()).expect("short");
        bytes.extend([0xc0, at]);
        assert_eq!(parse(&bytes), Err(Error::BadName(usize::from(at))));
    }

    #[test]
    fn a_question_is_no_answer() {
        let (_, query, reply) = dialogues().remove(0);
        assert_eq!(parse(&query), Err(Error::NoAnswer));
        assert!(matches!(parse(&reply[..40]), Err(Error::Short(40))));
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_no_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(flags) = bytes.get_mut(2) {
                *flags |= 0x80;
            }
            let _ = parse(&bytes);
        }
    }
}
