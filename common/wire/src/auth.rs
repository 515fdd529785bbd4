//! HTTP authentication as RTSP and HTTP servers ask for it: Basic (RFC 7617) and Digest with MD5 (RFC 7616, RFC 2069).
//!
//! GStreamer's server sends the oldest form of Digest, without `qop` and `algorithm`; cameras send several challenges at
//! once. SHA-256 is not answered: every server that offers it offers MD5 beside it, as RFC 7616 section 3.7 shows.

use std::fmt;

use md5::{Digest as _, Md5};

use crate::base64;

/// Most challenges that are read.
const MAX_CHALLENGES: usize = 16;
/// Most parameters of one challenge that are kept; Digest knows nine.
const MAX_PARAMETERS: usize = 32;

/// A user and a password; never shown by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub user: String,
    /// The secret.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why a 401 cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is no `WWW-Authenticate` header, or nothing in it.
    #[error("the server wants authentication but does not say how")]
    NoChallenge,
    /// Neither Basic nor a Digest that we know.
    #[error("the server wants authentication by {offered}, which is not supported")]
    Unsupported {
        /// What it offers.
        offered: String,
    },
}

/// One challenge of a `WWW-Authenticate` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// `Digest`, `Basic`, ... as sent.
    pub scheme: String,
    /// `realm`, `nonce`, ...: names as sent, values without quotes and escapes.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Reads all challenges of one header value (RFC 9110 section 11.6.1): commas stand between challenges and
    /// between the parameters of each.
    pub fn parse(value: &str) -> Vec<Self> {
        let mut challenges: Vec<Self> = Vec::new();
        for item in split_unquoted(value) {
            // `Digest realm="x"` begins a challenge, `nonce="y"` and `nonce = "y"` continue one.
            let (name, rest) = item.split_once([' ', '\t', '=']).unwrap_or((item, ""));
            let continues = item.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='));
            let parameter = if continues { item } else { rest.trim() };
            if !continues {
                if challenges.len() == MAX_CHALLENGES {
                    break;
                }
                challenges.push(Self { scheme: name.to_owned(), parameters: Vec::new() });
            }
            let (Some(challenge), Some((name, value))) = (challenges.last_mut(), parameter.split_once('='))
            else {
                continue;
            };
            if challenge.parameters.len() < MAX_PARAMETERS {
                challenge.parameters.push((name.trim().to_owned(), unquoted(value.trim())));
            }
        }
        challenges
    }

    /// A parameter; names compare without case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether only the nonce was too old: the same password may be tried again. Without it a second 401 means that the
    /// password is wrong.
    pub fn is_stale(&self) -> bool {
        self.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"))
    }

    fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }
}

/// Answers challenges: makes the `Authorization` header of every request that follows a 401.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticator {
    credentials: Credentials,
    method: Method,
    /// Requests made with this nonce.
    count: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Method {
    Basic,
    Digest { challenge: Challenge, session: bool, qop: bool },
}

impl Authenticator {
    /// Chooses the strongest challenge that can be answered: Digest before Basic. `values` are all values of
    /// `WWW-Authenticate`. For a stale nonce make a new one from the new challenge.
    pub fn new<'a>(
        credentials: Credentials,
        values: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, AuthError> {
        let challenges: Vec<Challenge> = values.into_iter().flat_map(Challenge::parse).collect();
        let digest = challenges.iter().find_map(Method::digest);
        let basic = || challenges.iter().find(|c| c.is("Basic")).map(|_| Method::Basic);
        match digest.or_else(basic) {
            Some(method) => Ok(Self { credentials, method, count: 0 }),
            None if challenges.is_empty() => Err(AuthError::NoChallenge),
            None => Err(AuthError::Unsupported { offered: offered(&challenges) }),
        }
    }

    /// The value of `Authorization` for one request.
    ///
    /// `uri` must be what stands in the request line. `cnonce` is a text that the server cannot guess (hex digits, say);
    /// only servers that ask for `qop` or `MD5-sess` see it.
    pub fn authorization(&mut self, method: &str, uri: &str, cnonce: &str) -> String {
        self.count = self.count.saturating_add(1);
        let Credentials { user, password } = &self.credentials;
        let Method::Digest { challenge, session, qop } = &self.method else {
            return format!("Basic {}", base64::encode(format!("{user}:{password}").as_bytes()));
        };
        let value = |name| challenge.get(name).unwrap_or_default();
        let (realm, nonce) = (value("realm"), value("nonce"));
        let mut secret = md5(&format!("{user}:{realm}:{password}"));
        if *session {
            secret = md5(&format!("{secret}:{nonce}:{cnonce}"));
        }
        let request = md5(&format!("{method}:{uri}"));
        let count = format!("{:08x}", self.count);
        let response = if *qop {
            md5(&format!("{secret}:{nonce}:{count}:{cnonce}:auth:{request}"))
        } else {
            md5(&format!("{secret}:{nonce}:{request}"))
        };

        let fields = [
            Some(format!("username={}", quoted(user))),
            Some(format!("realm={}", quoted(realm))),
            Some(format!("nonce={}", quoted(nonce))),
            Some(format!("uri={}", quoted(uri))),
            Some(format!("response=\"{response}\"")),
            qop.then(|| format!("qop=auth, nc={count}")),
            (*qop || *session).then(|| format!("cnonce={}", quoted(cnonce))),
            challenge.get("algorithm").map(|algorithm| format!("algorithm={algorithm}")),
            challenge.get("opaque").map(|opaque| format!("opaque={}", quoted(opaque))),
        ];
        format!("Digest {}", fields.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

impl Method {
    fn digest(challenge: &Challenge) -> Option<Self> {
        if !challenge.is("Digest") {
            return None;
        }
        let session = match challenge.get("algorithm") {
            None => false,
            Some(name) if name.eq_ignore_ascii_case("MD5") => false,
            Some(name) if name.eq_ignore_ascii_case("MD5-sess") => true,
            Some(_) => return None,
        };
        let qop = match challenge.get("qop") {
            None => false,
            Some(list) if list.split(',').any(|qop| qop.trim().eq_ignore_ascii_case("auth")) => true,
            Some(_) => return None,
        };
        Some(Self::Digest { challenge: challenge.clone(), session, qop })
    }
}

/// What an error says about challenges that cannot be answered.
fn offered(challenges: &[Challenge]) -> String {
    let name = |challenge: &Challenge| {
        let details =
            ["algorithm", "qop"].map(|name| challenge.get(name).map(|value| format!(" {name}={value}")));
        format!("{}{}", challenge.scheme, details.into_iter().flatten().collect::<String>())
    };
    challenges.iter().map(name).collect::<Vec<_>>().join(" or ")
}

/// Lower case hex of the MD5 sum.
fn md5(text: &str) -> String {
    Md5::digest(text).iter().fold(String::with_capacity(32), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Splits at commas outside of quotes; empty pieces are left out.
fn split_unquoted(value: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let at_comma = move |c: char| {
        let plain = !std::mem::take(&mut escaped);
        match c {
            '"' if plain => quoted = !quoted,
            '\\' if plain => escaped = true,
            _ => {}
        }
        c == ',' && !quoted
    };
    value.split(at_comma).map(str::trim).filter(|piece| !piece.is_empty())
}

/// A quoted string without its quotes and escapes; a token as it is.
fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mufasa(password: &str) -> Credentials {
        Credentials { user: "Mufasa".into(), password: password.into() }
    }

    fn answer(credentials: Credentials, challenge: &str, method: &str, uri: &str, cnonce: &str) -> String {
        Authenticator::new(credentials, [challenge]).unwrap().authorization(method, uri, cnonce)
    }

    #[test]
    fn digest_without_qop_is_what_gstreamer_accepted() {
        // From testdata/rtsp/gst-digest-then-play-tcp.rtsp: the server played after this answer.
        let challenge = r#"Digest realm="example", nonce="20917379f562d38f""#;
        let user = Credentials { user: "user".into(), password: "s3cret".into() };
        let url = "rtsp://127.0.0.1:28555/live";
        assert_eq!(
            answer(user, challenge, "DESCRIBE", url, "unused"),
            format!(
                r#"Digest username="user", realm="example", nonce="20917379f562d38f", uri="{url}", response="1210a95196ced6ba18b3de978ccb417b""#
            )
        );
    }

    #[test]
    fn rfc_2069_example() {
        // Section 2.4 with the corrected response of erratum 749.
        let challenge = r#"Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#;
        let header = answer(mufasa("CircleOfLife"), challenge, "GET", "/dir/index.html", "");
        assert!(header.contains(r#"response="1949323746fe6a43ef61f9606e7febea""#), "{header}");
        assert!(header.ends_with(r#"opaque="5ccc069c403ebaf9f0171e9517f40e41""#), "{header}");
    }

    #[test]
    fn rfc_2617_example() {
        let challenge = r#"Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#;
        let header = answer(mufasa("Circle Of Life"), challenge, "GET", "/dir/index.html", "0a4f113b");
        assert!(header.contains(
            r#"response="6629fae49393a05397450978507c4ef1", qop=auth, nc=00000001, cnonce="0a4f113b""#
        ));
    }

    #[test]
    fn rfc_7616_example_of_two_challenges() {
        let sha = r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;
        let md5 = sha.replace("SHA-256", "MD5");
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for values in [vec![sha.to_owned(), md5.clone()], vec![format!("{sha}, {md5}, Basic realm=\"x\"")]] {
            let values = values.iter().map(String::as_str);
            let header = Authenticator::new(mufasa("Circle of Life"), values).unwrap().authorization(
                "GET",
                "/dir/index.html",
                cnonce,
            );
            assert!(header.contains(r#"response="8ca523f5e9506fed4657c9700eebdbec""#), "{header}");
            assert!(header.contains("algorithm=MD5"), "{header}");
        }
        assert_eq!(
            Authenticator::new(mufasa(""), [sha]).unwrap_err().to_string(),
            "the server wants authentication by Digest algorithm=SHA-256 qop=auth, auth-int, which is not supported"
        );
    }

    #[test]
    fn md5_sess_mixes_the_nonces_into_the_secret() {
        // Computed with `printf | md5sum` from RFC 7616 section 3.4.2.
        let challenge = r#"Digest realm="r", nonce="n", algorithm=MD5-sess"#;
        assert!(answer(mufasa("p"), challenge, "GET", "/", "c").contains(r#"cnonce="c""#));
        let challenge = format!("{challenge}, qop=auth");
        let header = answer(mufasa("p"), &challenge, "GET", "/", "c");
        assert!(header.contains(r#"response="116d72042b1af15756be6d603b36e7e7""#), "{header}");
    }

    #[test]
    fn every_request_counts_up() {
        let mut authenticator =
            Authenticator::new(mufasa("p"), [r#"Digest realm="r", nonce="n", qop="auth""#]).unwrap();
        let first = authenticator.authorization("GET", "/", "c");
        let second = authenticator.authorization("GET", "/", "c");
        assert!(first.contains("nc=00000001") && second.contains("nc=00000002"));
        assert_ne!(first, second);
    }

    #[test]
    fn basic_is_what_vlc_accepted() {
        let user = Credentials { user: "user".into(), password: "s3cret".into() };
        assert_eq!(
            answer(user, r#"Basic realm="VLC stream""#, "DESCRIBE", "*", ""),
            "Basic dXNlcjpzM2NyZXQ="
        );
    }

    #[test]
    fn digest_is_preferred_wherever_it_stands() {
        for value in [
            r#"Basic realm="a", Digest realm="b", nonce="n""#,
            r#"Digest realm="b",nonce="n",basic realm="a""#,
        ] {
            assert!(answer(mufasa(""), value, "GET", "/", "").starts_with("Digest "), "{value}");
        }
        let unknown = r#"Digest realm="b", nonce="n", qop=auth-int, Basic realm="a""#;
        assert!(answer(mufasa(""), unknown, "GET", "/", "").starts_with("Basic "));
    }

    #[test]
    fn challenges_are_cut_where_they_should_be() {
        let parsed = Challenge::parse(
            r#" NTLM, Negotiate abc==,Digest realm="a, b=\"c\"", nonce = n ,stale=TRUE, ,Basic realm="x=y""#,
        );
        let schemes: Vec<_> = parsed.iter().map(|c| c.scheme.as_str()).collect();
        assert_eq!(schemes, ["NTLM", "Negotiate", "Digest", "Basic"]);
        assert_eq!(parsed[2].get("Realm"), Some(r#"a, b="c""#));
        assert_eq!((parsed[2].get("nonce"), parsed[2].is_stale()), (Some("n"), true));
        assert_eq!((parsed[3].get("realm"), parsed[3].is_stale()), (Some("x=y"), false));
        assert_eq!(
            Challenge::parse(r"Basic realm=a\, Digest nonce=n").len(),
            2,
            "no escape outside of quotes"
        );
    }

    #[test]
    fn quotes_in_names_cannot_break_out() {
        let user = Credentials { user: "a\"b\\".into(), password: String::new() };
        let header = answer(user, r#"Digest realm="r\"s", nonce="n""#, "GET", "/", "");
        assert!(header.starts_with(r#"Digest username="a\"b\\", realm="r\"s", "#), "{header}");
    }

    #[test]
    fn a_missing_challenge_is_named() {
        assert_eq!(Authenticator::new(mufasa(""), []), Err(AuthError::NoChallenge));
        assert_eq!(Authenticator::new(mufasa(""), [" , "]), Err(AuthError::NoChallenge));
    }

    #[test]
    fn the_password_is_not_shown() {
        let authenticator = Authenticator::new(mufasa("hakuna"), ["Basic"]).unwrap();
        assert!(!format!("{authenticator:?}").contains("hakuna"));
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_panic_and_quoting_reads_back(value in ".{0,80}", user in "[ -~]{0,20}") {
            Challenge::parse(&value);
            prop_assert_eq!(unquoted(&quoted(&user)), user.clone());
            let parsed = Challenge::parse(&format!("Digest a={}, b=c", quoted(&user)));
            prop_assert_eq!(parsed[0].get("a"), Some(user.as_str()));
            prop_assert_eq!(parsed[0].get("b"), Some("c"));
        }
    }
}
