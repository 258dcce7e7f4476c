//! Clients that are let in by the names in their certificates: [`NamedClients`].

use std::net::IpAddr;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use webpki::EndEntityCert;

/// Verifies certificates as another does, and that each has one of these names.
#[derive(Debug)]
pub struct NamedClients {
    verifier: Arc<dyn ClientCertVerifier>,
    names: Vec<Name>,
}

/// A Subject Alternative Name.
#[derive(Debug)]
enum Name {
    Address(IpAddr),
    /// A DNS name or a URI, letter by letter: one with a wildcard is that name and no other.
    Text(String),
}

impl NamedClients {
    /// Of the clients that `verifier` lets in, those that have one of these names.
    ///
    /// # Errors
    /// If one of them is an e-mail address, which is not compared.
    pub fn new(verifier: Arc<dyn ClientCertVerifier>, names: &[String]) -> Result<Self, String> {
        let names = names.iter().map(|text| match text.parse() {
            Ok(address) => Ok(Name::Address(address)),
            Err(_) if text.contains('@') && !text.contains(':') => Err(format!(
                "client_allowed_sans: '{text}' is an e-mail address; DNS names, addresses and URIs are offered"
            )),
            Err(_) => Ok(Name::Text(text.clone())),
        });
        Ok(NamedClients { verifier, names: names.collect::<Result<_, _>>()? })
    }

    fn knows(&self, certificate: &EndEntityCert<'_>) -> bool {
        self.names.iter().any(|name| match name {
            Name::Address(address) => certificate.verify_is_valid_for_subject_name(&ServerName::from(*address)).is_ok(),
            Name::Text(text) => {
                certificate.valid_dns_names().chain(certificate.valid_uri_names()).any(|own| own == text)
            }
        })
    }
}

impl ClientCertVerifier for NamedClients {
    fn offer_client_auth(&self) -> bool {
        self.verifier.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.verifier.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.verifier.verify_client_cert(certificate, intermediates, now)?;
        let parsed = EndEntityCert::try_from(certificate).map_err(|_| CertificateError::BadEncoding)?;
        if self.knows(&parsed) { Ok(verified) } else { Err(CertificateError::ApplicationVerificationFailure.into()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_rustls::rustls::RootCertStore;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::server::WebPkiClientVerifier;

    use super::*;

    const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----
MIIBcDCCARegAwIBAgIUDf8rYc6o3JW6nscLIWY/d52hqu8wCgYIKoZIzj0EAwIw
DTELMAkGA1UEAwwCY2EwIBcNMjYxMTI5MDY0NjA3WhgPMjEyNjExMDUwNjQ2MDda
MA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEiTQA4iS+
nWmjWLKjA5WpOuSlTDiM4fViPbmMI53bTv1j/qNr+D4UmmA35O+ODF/mfeMobeuf
NlTu+QAsutYapaNTMFEwHQYDVR0OBBYEFBjY/6yq4R/dfpaBIlE4reSZBIKSMB8G
A1UdIwQYMBaAFBjY/6yq4R/dfpaBIlE4reSZBIKSMA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDRwAwRAIgTHZz7TgBe1VBBQ+GSZNigHTE3R9EqqBPjiDSd1VZ
SYMCIFAIMzZoxCn+70aO5WvBy3C3YH18/qgppuBchatCVcVB
-----END CERTIFICATE-----";

    /// Of prometheus.example, *.wild.example, 192.0.2.7 and spiffe://example/prometheus.
    const CLIENT: &str = "-----BEGIN CERTIFICATE-----
MIIBzjCCAXOgAwIBAgIUVp6Kp40xAPAA6kB7uLfhsFaGS+0wCgYIKoZIzj0EAwIw
DTELMAkGA1UEAwwCY2EwIBcNMjYxMTI5MDY0NjA3WhgPMjEyNjExMDUwNjQ2MDda
MBExDzANBgNVBAMMBmNsaWVudDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKJj
5HRrs4NhtPepRLzSGqZQXXG9hS977wpEIm1y1JgKF6oLe+5bRj0SG8wWTm/HLszd
Q6HsH2Vg/5GHg9inOHOjgaowgacwUAYDVR0RBEkwR4IScHJvbWV0aGV1cy5leGFt
cGxlgg4qLndpbGQuZXhhbXBsZYcEwAACB4Ybc3BpZmZlOi8vZXhhbXBsZS9wcm9t
ZXRoZXVzMBMGA1UdJQQMMAoGCCsGAQUFBwMCMB0GA1UdDgQWBBRlX08T6qY3tbCV
h1uR6HvUp7+dBDAfBgNVHSMEGDAWgBQY2P+squEf3X6WgSJROK3kmQSCkjAKBggq
hkjOPQQDAgNJADBGAiEA80ILMlofmo/YjwlYqwnccBzZOG3OoUnlei97YdhVmEYC
IQDRLknpvqORNsZL+xYmPUMuQKYzdGOrVaEV18VHY7XDdA==
-----END CERTIFICATE-----";

    fn named(names: &[&str]) -> Result<NamedClients, String> {
        let certificate = |text: &str| CertificateDer::from_pem_slice(text.as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate(AUTHORITY)).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        NamedClients::new(verifier, &names)
    }

    fn admits(names: &[&str]) -> bool {
        let certificate = CertificateDer::from_pem_slice(CLIENT.as_bytes()).unwrap();
        // In 2050.
        let now = UnixTime::since_unix_epoch(Duration::from_secs(2_524_608_000));
        named(names).unwrap().verify_client_cert(&certificate, &[], now).is_ok()
    }

    #[test]
    fn a_client_needs_one_of_the_names_letter_by_letter() {
        for (names, admitted) in [
            (&["prometheus.example"][..], true),
            (&["other.example", "spiffe://example/prometheus"], true),
            (&["192.0.2.7"], true),
            (&["*.wild.example"], true),
            (&["a.wild.example"], false),
            (&["example", "spiffe://example", "192.0.2.8", "client"], false),
        ] {
            assert_eq!(admits(names), admitted, "{names:?}");
        }
    }

    #[test]
    fn e_mail_addresses_are_refused_as_they_would_let_in_no_client() {
        assert_eq!(
            named(&["a@example.org"]).err().unwrap(),
            "client_allowed_sans: 'a@example.org' is an e-mail address; DNS names, addresses and URIs are offered"
        );
    }
}
