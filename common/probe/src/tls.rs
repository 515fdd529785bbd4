//! TLS with rustls and ring, built at the first URL that needs it: loading the root certificates costs more than the
//! rest of a check.

use std::io::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;
use weir_contract::{Problem, fault};

use crate::{Conn, Probe};

/// Where systems keep all root certificates in one file: Debian, Red Hat, SUSE, Alpine.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl Probe {
    /// Speaks TLS on a connection that is open: the stage `tls`. `host` is verified, and sent as SNI when it is a name.
    ///
    /// # Errors
    /// E-TLS-EXPIRED, E-TLS-UNTRUSTED, E-TLS-NAME, E-TLS-FAILED, E-TLS-TIMEOUT.
    pub async fn tls(&self, conn: Conn, host: &str) -> Result<Conn, Problem> {
        let Conn::Plain(stream) = conn else { return Ok(conn) };
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| {
            Problem::new(&fault::USAGE, format!("`{host}` is no host name that a certificate can hold"))
        })?;
        let config = self.tls_config()?;
        self.stage("tls", &fault::TLS_TIMEOUT, async {
            let stream = TlsConnector::from(config).connect(name, stream).await;
            stream.map(|s| Conn::Tls(Box::new(s))).map_err(|error| tls_problem(host, &error))
        })
        .await
    }

    /// The TLS configuration of this process.
    ///
    /// # Errors
    /// E-USAGE when `--ca-file` cannot be read, E-TLS-UNTRUSTED when the system has no certificates.
    pub(crate) fn tls_config(&self) -> Result<Arc<ClientConfig>, Problem> {
        if let Some(config) = self.shared.tls.get() {
            return Ok(Arc::clone(config));
        }
        let config = client_config(roots(self.options.ca_file.as_deref())?)?;
        Ok(Arc::clone(self.shared.tls.get_or_init(|| config)))
    }
}

/// A configuration that trusts `roots`.
pub(crate) fn client_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, Problem> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Problem::new(&fault::INTERNAL, format!("TLS: {error}")))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, Problem> {
    let file = match ca_file {
        Some(file) => file.to_owned(),
        None => BUNDLES.iter().map(PathBuf::from).find(|file| file.is_file()).ok_or_else(|| {
            Problem::new(
                &fault::TLS_UNTRUSTED,
                "this system has no bundle of root certificates; name one with --ca-file",
            )
        })?,
    };
    let unreadable =
        |why: String| Problem::new(&fault::USAGE, format!("certificates in {}: {why}", file.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&file).map_err(|error| unreadable(error.to_string()))? {
        // One odd certificate in the system's bundle must not end every check.
        roots.add_parsable_certificates([certificate.map_err(|error| unreadable(error.to_string()))?]);
    }
    if roots.is_empty() {
        return Err(unreadable("there is none".to_owned()));
    }
    Ok(roots)
}

/// The problem that a failed handshake tells of.
pub(crate) fn tls_problem(host: &str, error: &Error) -> Problem {
    use CertificateError as C;

    let rustls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(certificate)) = rustls else {
        return Problem::new(&fault::TLS_FAILED, format!("the TLS handshake with {host} failed: {error}"));
    };
    let fault = match certificate {
        C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. } => {
            &fault::TLS_EXPIRED
        }
        C::NotValidForName | C::NotValidForNameContext { .. } => &fault::TLS_NAME,
        _ => &fault::TLS_UNTRUSTED,
    };
    Problem::new(fault, format!("the certificate of {host} is not valid: {certificate}"))
}
