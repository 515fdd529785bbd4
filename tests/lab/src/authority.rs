//! A certificate authority of the lab, by openssl: good, expired and self-signed certificates.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::Lab;
use crate::namespace::{run, tool};

/// Certificate and key, as files in PEM form that every user of the lab may read.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate of the server.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A certificate authority.
pub struct Authority {
    lab: Lab,
    own: Certificate,
}

impl Lab {
    /// A new certificate authority (needs "openssl").
    pub fn authority(&self) -> Result<Authority> {
        let own =
            self.own_signed("ca", "Weir test authority", &["-addext", "basicConstraints=critical,CA:TRUE"])?;
        Ok(Authority { lab: self.clone(), own })
    }

    /// A certificate for `name` which nobody has signed but itself.
    pub fn self_signed(&self, name: &str) -> Result<Certificate> {
        self.own_signed("self", name, &["-addext", &alternative_names(&[name])])
    }

    fn own_signed(&self, base: &str, name: &str, options: &[&str]) -> Result<Certificate> {
        let files = self.certificate_files(base);
        let mut openssl = new_key(tool("openssl"), &["-x509", "-days", "3650"], name, &files.key);
        run(openssl.args(options).arg("-out").arg(&files.chain))?;
        Ok(files)
    }

    fn certificate_files(&self, base: &str) -> Certificate {
        let base = self.dir().join(self.name(base));
        Certificate { chain: base.with_extension("pem"), key: base.with_extension("key") }
    }
}

impl Authority {
    /// The authority's own certificate, for `--ca-file`.
    pub fn ca_file(&self) -> &Path {
        &self.own.chain
    }

    /// A good certificate for these names and addresses, valid for ten years.
    pub fn issue(&self, names: &[&str]) -> Result<Certificate> {
        self.sign(names, "+0d", "3650")
    }

    /// A certificate that ended five days ago.
    pub fn issue_expired(&self, names: &[&str]) -> Result<Certificate> {
        self.sign(names, "-10d", "5")
    }

    /// A good certificate that ends within `days`.
    pub fn issue_for_days(&self, names: &[&str], days: u32) -> Result<Certificate> {
        self.sign(names, "+0d", &days.to_string())
    }

    fn sign(&self, names: &[&str], issued: &str, days: &str) -> Result<Certificate> {
        let files = self.lab.certificate_files("server");
        let request = files.chain.with_extension("csr");
        let alternatives = alternative_names(names);
        let mut openssl =
            new_key(tool("openssl"), &["-addext", &alternatives], names.first().unwrap_or(&""), &files.key);
        run(openssl.arg("-out").arg(&request))?;
        // openssl x509 always begins "now"; faketime moves that.
        let mut sign = tool("faketime");
        sign.args([
            "-f",
            issued,
            "openssl",
            "x509",
            "-req",
            "-copy_extensions",
            "copy",
            "-days",
            days,
            "-in",
        ]);
        sign.arg(&request).arg("-CA").arg(&self.own.chain).arg("-CAkey").arg(&self.own.key);
        run(sign.arg("-out").arg(&files.chain))?;
        Ok(files)
    }
}

/// `openssl req` with a new elliptic key (an RSA key costs seconds) for the subject `name`.
fn new_key(
    mut openssl: std::process::Command,
    options: &[&str],
    name: &str,
    key: &Path,
) -> std::process::Command {
    openssl.args(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]).args(options);
    openssl.arg("-subj").arg(format!("/CN={name}")).arg("-keyout").arg(key);
    openssl
}

fn alternative_names(names: &[&str]) -> String {
    let list: Vec<String> = names
        .iter()
        .map(|name| if name.parse::<IpAddr>().is_ok() { format!("IP:{name}") } else { format!("DNS:{name}") })
        .collect();
    format!("subjectAltName={}", list.join(","))
}
