//! The URL of a stream, as people write it.

use std::net::SocketAddr;

use url::Url;
use weir_contract::text::redact;
use weir_contract::{Outcome, Problem, fault};
use weir_probe::{Addresses, Probe};
use weir_wire::auth::Credentials;
use weir_wire::text::percent_decode;

/// A URL whose credentials have been taken out, so that nothing can print them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The URL without credentials.
    pub url: Url,
    /// User and password, decoded.
    pub credentials: Option<Credentials>,
}

impl Target {
    /// Reads a URL of one of `schemes`.
    ///
    /// # Errors
    /// E-USAGE with the right form.
    pub fn parse(text: &str, schemes: &[&str]) -> Result<Self, Problem> {
        let usage = |why: &str| {
            let forms: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://host/path")).collect();
            Problem::new(&fault::USAGE, format!("`{}` {why}: use {}", redact(text), forms.join(" or ")))
        };
        // Stream ids of SRT begin with `#!`, and people write them as they are.
        let whole = if text.starts_with("srt://") { text.replace('#', "%23") } else { text.to_owned() };
        let mut url = Url::parse(&whole).map_err(|error| usage(&format!("is no URL ({error})")))?;
        if !schemes.contains(&url.scheme()) {
            return Err(usage("is not of a scheme that this check speaks"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(usage("names no host"));
        }
        if url.port() == Some(0) {
            return Err(usage("has no port `0`"));
        }
        let credentials = (!url.username().is_empty() || url.password().is_some()).then(|| Credentials {
            user: percent_decode(url.username()),
            password: percent_decode(url.password().unwrap_or_default()),
        });
        // Neither can fail for a URL with a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Ok(Self { url, credentials })
    }

    /// The credentials that count: what the options say, else what the URL said.
    ///
    /// # Errors
    /// That of a password file.
    pub fn credentials(&self, options: &weir_cli::Credentials) -> Result<Option<Credentials>, Problem> {
        let password = options.password()?;
        let url = self.credentials.clone();
        let user = options.user.clone().or_else(|| url.as_ref().map(|c| c.user.clone()));
        let Some(user) = user else { return Ok(None) };
        let password = password.map(|secret| secret.reveal().to_owned());
        let password = password.or_else(|| url.map(|c| c.password)).unwrap_or_default();
        Ok(Some(Credentials { user, password }))
    }

    /// Resolves the host and runs `check` on the addresses that `policy` asks for.
    pub async fn every_address(
        &self,
        service: &'static str,
        probe: Probe,
        port: u16,
        policy: Addresses,
        check: impl AsyncFn(&Probe, SocketAddr) -> Outcome,
    ) -> Outcome {
        match probe.resolve(self.host(), port).await {
            Ok(addresses) => weir_probe::every_address(probe, &addresses, policy, check).await,
            Err(problem) => {
                let mut outcome = Outcome::failed(service, self.url.as_str(), problem);
                probe.finish(&mut outcome);
                outcome
            }
        }
    }

    /// The host, for names and certificates.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_url() {
        let target =
            Target::parse("rtsp://us%40er:p%2Fw@live.example.net:8554/a?b=c", &["rtsp"]).expect("a URL");
        assert_eq!(target.url.as_str(), "rtsp://live.example.net:8554/a?b=c");
        let credentials = Credentials { user: "us@er".to_owned(), password: "p/w".to_owned() };
        assert_eq!(target.credentials, Some(credentials));
        assert_eq!(target.host(), "live.example.net");
    }

    #[test]
    fn a_wrong_url_is_told_the_right_form() {
        for text in ["live.example.net", "http://h/", "rtsp:///x", ""] {
            let error = Target::parse(text, &["rtsp", "rtsps"]).expect_err(text).to_string();
            assert!(error.contains("use rtsp://host/path or rtsps://host/path"), "{error}");
        }
        let error = Target::parse("rtsp://h:0/a", &["rtsp"]).expect_err("nobody listens there").to_string();
        assert!(error.contains("port `0`: use rtsp://host/path"), "{error}");
        assert!(
            !Target::parse("ftp://u:secret@h/", &["rtsp"]).expect_err("ftp").to_string().contains("secret")
        );
    }
}
